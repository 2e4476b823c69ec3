"""Customers, identified by loyalty card, e-mail address or phone number."""
