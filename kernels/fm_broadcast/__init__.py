"""A factorisation-machine block over [request ; candidate]: the request's part of the projection once per request."""
