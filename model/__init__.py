"""What a decision is: listings, text views, policies, rules, the scorer, calibration and decide().

It reads files and nothing else: no web, no database.
"""
