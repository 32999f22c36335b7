"""Many small linears of different widths over the same rows, in one launch (horizontal fusion)."""
