"""Endpoints, their deliveries, and the feed."""
