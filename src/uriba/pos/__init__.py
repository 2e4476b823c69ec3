"""Tills: their events, the data that they pull, and the repair of parked events."""
