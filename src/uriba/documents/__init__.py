"""Receipts, invoices and gift receipts: what an order comes to, on paper."""
