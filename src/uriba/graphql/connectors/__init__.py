"""Connectors in the API."""
