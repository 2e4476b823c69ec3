"""The shared cart: one basket for all devices of a customer and all tills."""
