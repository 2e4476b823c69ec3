"""Sync health, parity and alerts."""
