"""Endpoints, their deliveries, and the feed, in the API."""
