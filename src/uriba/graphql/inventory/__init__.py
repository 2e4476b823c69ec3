"""Stock levels in the API."""
