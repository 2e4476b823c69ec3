"""From cart to order: all or nothing, and at most once."""
