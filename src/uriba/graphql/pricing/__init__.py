"""Promotions and coupons in the API."""
