"""Alerts for staff: opened and closed by rules with hysteresis, published in the event feed."""
