"""A simulated till: a client of the hub as a vendor would write one, and the check that a hub keeps the protocol."""
