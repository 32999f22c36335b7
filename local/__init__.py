"""The whole stack on one machine without Docker: Kafka, Valkey, the runner, the demo."""
