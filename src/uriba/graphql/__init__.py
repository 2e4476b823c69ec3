"""The public API: one thin layer that translates, and nothing else."""
