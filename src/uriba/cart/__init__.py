"""Carts: one basket of a customer for every device and till."""
