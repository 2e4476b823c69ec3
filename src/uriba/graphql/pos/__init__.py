"""Tills and conflicts in the API."""
