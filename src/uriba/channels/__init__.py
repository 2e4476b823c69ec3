"""The outside: endpoints and what they are told. It reacts to events; no domain knows of it."""
