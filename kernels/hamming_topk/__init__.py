"""The k behaviours of a history nearest to a candidate by Hamming distance, selected by counting."""
