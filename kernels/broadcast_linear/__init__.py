"""A linear layer over [request ; candidate]: the request's part once per request, added inside the kernel."""
