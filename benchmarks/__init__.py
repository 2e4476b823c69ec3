"""Benchmarks: the hub's speed, measured beside ceilings of the same run."""
