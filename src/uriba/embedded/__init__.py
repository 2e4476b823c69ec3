"""The embedded PostgreSQL and Valkey, for development, tests and demos.

The first program that uses a data directory starts the two engines; the last one stops them.
"""

from uriba.embedded.engines import EngineAddresses, find_engines, has_database, run_engines
from uriba.embedded.errors import EmbeddedError

__all__ = ["EmbeddedError", "EngineAddresses", "find_engines", "has_database", "run_engines"]
