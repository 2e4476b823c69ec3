"""The database's schema: migrations, the check of its revision, and functions for migration scripts.

The policy is `docs/migrations.md`. Nothing is imported here, so that `errors` can be imported without alembic.
"""
