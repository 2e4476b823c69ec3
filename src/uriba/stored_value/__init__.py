"""Stored value: gift cards and loyalty points, each a ledger with a balance beside it."""
