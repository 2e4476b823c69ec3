"""The demo: a hub with real goods is opened, and journey A is played against it through the public API."""
