"""Getting it to the shopper: which location serves what, and how far it is."""
