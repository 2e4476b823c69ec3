"""The till: its facts, whatever happened on the way, and what it has to know."""
