"""What a shopper is choosing: one basket for every device and till."""
