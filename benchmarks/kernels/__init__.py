"""Every op and the ranker's forward pass beside their baselines. Imports torch, Triton and numpy alone."""
