"""What we sell, and where we meet customers."""
