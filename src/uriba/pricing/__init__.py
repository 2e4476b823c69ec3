"""What things cost: price lists, quotes and tax. Everything but the lists is pure."""
