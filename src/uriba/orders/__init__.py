"""Orders: placement, payments, returns and the timeline."""
