"""Side-by-side measurements; every figure in the docs comes from here."""
