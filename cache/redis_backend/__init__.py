"""The parts of the Redis store, one noun per file; `cache.redis_store` puts them together."""
