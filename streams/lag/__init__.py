"""Consumer lag: read, judged by rules without thresholds, shown."""
