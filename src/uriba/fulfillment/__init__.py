"""Fulfillment: which location serves which units of an order, and the status of each part."""
