"""Products and variants, channels and locations."""
