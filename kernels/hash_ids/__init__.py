"""Ids to rows of embedding tables: splitmix64, then a multiplication and a shift instead of a division."""
