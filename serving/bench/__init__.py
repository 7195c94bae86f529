"""Measures the service as it ships, beside what its model could do at most and beside other ways to serve it."""
