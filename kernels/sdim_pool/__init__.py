"""Interest from colliding hashes (SDIM): the behaviours whose bits agree with the candidate group by group."""
