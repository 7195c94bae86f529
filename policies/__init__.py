"""Policies as data: `starter.yaml`, shipped in the wheel. No code lives here."""
