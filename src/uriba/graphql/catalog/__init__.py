"""Products, variants, channels, locations and prices in the API."""
