"""Receipts, invoices and gift receipts of orders, and invoices of returns: as data, as HTML and as PDF."""
