"""The database's schema: migrations, the check of its revision, and what migration scripts use.

The policy is `docs/migrations.md`. Nothing is imported here, so that `errors` can be imported without alembic.
"""
