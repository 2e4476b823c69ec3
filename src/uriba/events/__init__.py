"""The public form of events: types, payloads, schemas."""
