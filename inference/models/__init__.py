"""The trained modules, in plain PyTorch."""
