"""Gift cards and loyalty points."""
