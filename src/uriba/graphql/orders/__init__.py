"""Orders in the API: checkout, queries, fulfillment, cancellation, returns."""
