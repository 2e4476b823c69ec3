"""${message}.

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
"""

# docs/migrations.md has the policy: processes of the old version keep running on the new schema, and no statement blocks
# a table in use for long. For such tables, use these functions of uriba.migrate.operations instead of alembic's:
#
#     create_index_concurrently("ix_orders_email", "orders", ["email"])     alone in a migration
#     drop_index_concurrently("ix_orders_email", "orders")                  alone in a migration
#     add_check_not_valid("ck_orders_total", "orders", "total_minor >= 0")
#     add_foreign_key_not_valid("fk_orders_channel_id", "orders", ["channel_id"], "channel", ["id"])
#     validate_constraint("ck_orders_total", "orders")                      in a later migration than the constraint
#     apply_sql("refuse_stock", version=2)                                  a SQL function or trigger

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    ${downgrades if downgrades else "pass"}
