"""Operations for migration scripts, besides alembic's. `docs/migrations.md` says when to use which."""

from __future__ import annotations

from typing import Any

from alembic import op

from uriba.migrate import sql_files


def apply_sql(name: str, *, version: int) -> None:
    """Create or replace a SQL function or trigger: the file `NAME_vVERSION.sql` of its domain.

    A function whose parameters or result type change must be dropped first.
    """
    op.get_bind().exec_driver_sql(sql_files.versions()[name][version])


def create_index_concurrently(name: str, table: str, columns: list[Any], **options: Any) -> None:
    """Create an index without blocking writes. Put nothing else into the migration.

    It runs outside a transaction, so the index that a failed attempt left behind, which is invalid, is dropped first.
    `options` are those of `op.create_index`.
    """
    with op.get_context().autocommit_block():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.create_index(name, table, columns, postgresql_concurrently=True, **options)


def drop_index_concurrently(name: str, table: str) -> None:
    """Drop an index without blocking reads or writes. Put nothing else into the migration."""
    with op.get_context().autocommit_block():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


def add_check_not_valid(name: str, table: str, condition: str) -> None:
    """Add a check constraint that holds for new and changed rows only, without reading the table."""
    op.create_check_constraint(op.f(name), table, condition, postgresql_not_valid=True)


def add_foreign_key_not_valid(
    name: str, table: str, columns: list[str], target: str, target_columns: list[str]
) -> None:
    """Add a foreign key that holds for new and changed rows only, without reading the tables."""
    op.create_foreign_key(op.f(name), table, target, columns, target_columns, postgresql_not_valid=True)


def validate_constraint(name: str, table: str) -> None:
    """Check all rows against a constraint that was added NOT VALID; reads and writes go on meanwhile.

    Only in a later migration than the one that adds it: in the same transaction the table would stay locked.
    """
    op.execute(f'ALTER TABLE "{table}" VALIDATE CONSTRAINT "{name}"')
