"""Alerts for staff. Rules with hysteresis open and close them; each opening and closing is an event of the feed."""
