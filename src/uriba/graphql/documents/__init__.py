"""Receipts and invoices in the API."""
