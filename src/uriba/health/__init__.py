"""Sync health: how far each endpoint, connector, reader and terminal has come."""
