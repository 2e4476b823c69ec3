"""Alerts: what people have to look at, opened and closed by rules with hysteresis, told by the feed."""
