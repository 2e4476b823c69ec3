"""How the hub speaks with PostgreSQL."""

from uriba.db.session import Database, Row, Session

__all__ = ["Database", "Row", "Session"]
