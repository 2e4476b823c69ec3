"""The shared cart in the API."""
