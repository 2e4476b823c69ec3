"""Why a command cannot work with the database's schema. This module imports no alembic."""

from __future__ import annotations


class SchemaError(Exception):
    """The schema cannot be used or migrated; the message says what to do. Nothing was changed."""


class SchemaMismatch(SchemaError):
    """The schema is not the one that this version needs."""


class MigrationBlocked(SchemaError):
    """A lock that a migration needs was not free in time."""
