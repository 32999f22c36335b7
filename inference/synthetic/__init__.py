"""A world with a hidden truth: traffic to train on, to demonstrate with and to measure against."""
