"""Stock levels, movements and transfers in the API."""
