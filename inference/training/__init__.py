"""Training: request rows in, one release out."""
