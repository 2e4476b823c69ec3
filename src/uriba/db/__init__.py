"""Access to PostgreSQL: sessions, statements, idempotency keys."""

from uriba.db.session import Database, Row, Session

__all__ = ["Database", "Row", "Session"]
