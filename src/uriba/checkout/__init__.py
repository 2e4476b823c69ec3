"""The checkout: turns a cart into an order, all or nothing, at most once."""
