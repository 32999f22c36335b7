"""Numerical operations of the ranker: each a plain PyTorch definition, a Triton form, and what the hardware allows.

The folder imports torch, numpy and (in `kernel.py` alone) Triton: it runs where nothing else is installed.
"""
