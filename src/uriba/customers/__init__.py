"""Who buys: known by loyalty card, e-mail or phone."""
