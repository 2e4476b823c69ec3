"""Conformance: named checks that a hub follows the protocol of docs/pos-sync.md."""
