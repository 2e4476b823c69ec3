"""Sync health: how far endpoints, connectors, readers of the feed and terminals have come."""
