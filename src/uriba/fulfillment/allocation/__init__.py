"""Allocation: write what locations have promised, and change it when promises fail."""
