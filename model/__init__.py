"""What a decision is: listings, text views, policies, rules, the scorer, calibration and decide(). No I/O beyond files, no web, no database."""
