"""The worker: the hub's background work."""
