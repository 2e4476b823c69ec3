"""Keys, authentication, and limits on guessing codes."""
