"""Models, training, releases and the ranker that serves them."""
