"""Checkout and orders in the API."""
