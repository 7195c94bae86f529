"""Corpora, fine-tuning, calibration, certification, export and the model registry. It never serves."""
