"""Metrics, comparison and the promotion gate. It reads models and labels and changes neither."""
