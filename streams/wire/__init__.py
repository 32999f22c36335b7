"""What travels on Kafka: records, events, topics, producer, reader. A leaf: imports nothing but runtime."""
