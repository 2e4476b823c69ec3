"""Uriba (売り場): app, web shop and stores as one sales floor."""

__version__ = "0.1.0"
