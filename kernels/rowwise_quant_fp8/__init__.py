"""Rows as 8-bit floats with a scale each, and the linear that multiplies them."""
