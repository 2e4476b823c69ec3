"""How the hub speaks with PostgreSQL."""

from uriba.db.session import Database, Session

__all__ = ["Database", "Session"]
