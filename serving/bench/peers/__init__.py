"""Programs that serve a bundle's model by other means. They are never imported: each is run by its path, most of them
by the Python of an environment where Fairstall is not installed.
"""
