"""How many behaviours of the history lie in each tier of Hamming distance to a candidate (SimTier)."""
