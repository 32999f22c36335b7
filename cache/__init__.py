"""Keys, rows, policy and the store that holds them."""
