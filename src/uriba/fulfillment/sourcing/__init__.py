"""Sourcing: decide which locations serve an order."""
