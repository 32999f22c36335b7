"""Rows as they came from the cache, to a ranker's input: gathered, dequantised and filled in where they miss."""
