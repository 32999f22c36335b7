"""Numerical operations, each with its plain PyTorch definition."""
