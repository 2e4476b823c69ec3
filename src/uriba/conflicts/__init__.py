"""Conflicts: what the hub could not settle by itself, for people to look at."""
