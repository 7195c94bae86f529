"""How good a bundle is, and how sure of that one can be: scored rows, metrics with intervals, comparison and the gate.

Importing it needs numpy alone; MLflow and matplotlib are imported by the functions that use them.
"""
