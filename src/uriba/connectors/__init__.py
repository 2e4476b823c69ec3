"""Connectors: push stock and prices to channels that do not receive webhooks, and import their orders."""
