"""A reference till: a client of the hub as a POS vendor would write one, and the conformance checks of the protocol.

This package imports nothing of the hub. README.md says how to use it alone; requirements.txt lists its dependencies.
"""
