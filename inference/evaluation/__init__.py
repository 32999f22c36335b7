"""How good a release is, against baselines and against the truth where it is known."""
