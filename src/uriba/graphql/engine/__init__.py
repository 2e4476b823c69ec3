"""Executing GraphQL: endpoint, limits, subscriptions. Knows no domain."""
