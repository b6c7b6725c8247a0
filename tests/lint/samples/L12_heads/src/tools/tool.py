"""tool.py - has no licence line."""
