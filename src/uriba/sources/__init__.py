"""Data sets of other retailers, read as master data and sales for a hub."""
