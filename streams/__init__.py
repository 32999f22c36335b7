"""Kafka side: the wire format, the agents, topics, lag."""
