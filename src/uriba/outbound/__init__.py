"""HTTP requests to URLs that users configured."""
