"""How a fulfillment moves from allocated to handed over, delivered, rejected or cancelled."""
