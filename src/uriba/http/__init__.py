"""Plain HTTP beside the API: health and metrics."""
