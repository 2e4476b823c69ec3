"""How fast the hub is, measured against ceilings of the same run."""
