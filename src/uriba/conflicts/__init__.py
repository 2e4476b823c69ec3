"""Conflicts: what the hub cannot settle by itself, for people to decide."""
