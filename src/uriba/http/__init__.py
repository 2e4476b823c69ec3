"""Plain HTTP beside GraphQL: documents, exports, health, metrics, and what payment providers call."""
