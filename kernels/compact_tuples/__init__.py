"""Sparse features of a batch as (id, weight) tuples in one compact buffer: one copy to the device, decoded there."""
