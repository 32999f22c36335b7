"""The ranker's forward pass on a device: buckets of shapes, one pinned arena and one copy in, one graph per bucket."""
