"""Wukong's linear compression over [request ; candidate]: the request's part is added inside the kernel."""
