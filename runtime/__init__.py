"""What every process needs: clock, ids, environment, addresses, logs, metrics."""
