"""Distinct keys and where each key stands among them: by a hash table, without sorting and without the host."""
