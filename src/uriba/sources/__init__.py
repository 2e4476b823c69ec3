"""Where a hub's goods, stores and prices can come from: other people's books, read as master data."""
