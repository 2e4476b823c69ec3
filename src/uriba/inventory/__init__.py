"""Stock: an append-only ledger of movements with a level beside it."""
