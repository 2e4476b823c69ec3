"""What a customer can choose from before paying."""
