"""Connectors: channels that want to be written to, and whose orders are fetched."""
