"""Keys: who may call, and as whom."""
