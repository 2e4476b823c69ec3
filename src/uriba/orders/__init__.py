"""What was agreed: orders are placed, then only cancelled, fulfilled, returned or refunded."""
