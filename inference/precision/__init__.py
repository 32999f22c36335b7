"""Which linears of a ranker may run in FP8: probed site by site, chosen under one budget, kept beside the weights."""
