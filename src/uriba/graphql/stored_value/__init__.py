"""Gift cards and points in the API."""
