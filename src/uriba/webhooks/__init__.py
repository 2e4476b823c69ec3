"""Webhooks: the endpoints of channels, and the delivery of events to them."""
