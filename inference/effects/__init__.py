"""What one batch of events does to the store; agents, rebuild and training call the same functions."""
