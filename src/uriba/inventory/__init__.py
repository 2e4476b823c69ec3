"""Stock: an append-only ledger of movements, and the levels that are its sums."""
