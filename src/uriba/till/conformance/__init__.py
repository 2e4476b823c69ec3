"""Conformance: named checks that a hub keeps the protocol of tills. docs/pos-sync.md says what each is about."""
