"""HTTP requests to addresses that others configured."""
