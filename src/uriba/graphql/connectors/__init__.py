"""Connectors, as the API shows them."""
