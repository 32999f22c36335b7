"""Attention of a request's candidates over its history: keys and values once per request, ragged, candidates apart."""
