"""Delivery options of a cart in the API."""
