"""The demo: it starts a hub with real goods, and plays journey A through the public API."""
