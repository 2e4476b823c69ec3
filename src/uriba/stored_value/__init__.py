"""Stored value: gift cards and loyalty points. Each has a ledger and a balance, the sum of its entries."""
