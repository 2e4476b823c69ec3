"""Connectors: push stock and prices to channels that want to be written to, and import their orders."""
