"""Histories pooled by a weight that is any function of the Hamming distance to the candidate, never materialised."""
