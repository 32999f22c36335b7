"""One file per op: the shapes of its grid and the ways to compute it."""
