"""Sync health, parity and alerts: types, queries, mutations and subscriptions."""
