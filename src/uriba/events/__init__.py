"""The published description of events: JSON Schema, AsyncAPI and a reference page, all made from the registry."""
