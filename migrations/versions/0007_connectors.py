"""Connectors: what channels were told, the orders that they brought, reports of runs.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _connector()
    _value()
    _order()
    _run()


def _connector() -> None:
    op.create_table(
        "connector",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("every_s", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'ACTIVE'"), nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("asked", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("next_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("ran_at", TIME, nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("prices_at", TIME, nullable=True),
        sa.Column("compared_at", TIME, nullable=True),
        sa.Column("location_ids", postgresql.ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("batches", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("order_cursor", sa.Text(), nullable=True),
        sa.Column("lease_until", TIME, nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", TIME, nullable=True),
        sa.CheckConstraint("kind IN ('FILE', 'REST')", name=op.f("ck_connector_kind")),
        sa.CheckConstraint("(kind = 'REST') = (url IS NOT NULL)", name=op.f("ck_connector_url")),
        sa.CheckConstraint("status IN ('ACTIVE', 'RETRYING', 'PAUSED')", name=op.f("ck_connector_status")),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_connector_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connector")),
        sa.UniqueConstraint("code", name="uq_connector_code"),
    )
    op.create_index(
        "ix_connector_due",
        "connector",
        ["next_at"],
        postgresql_where=sa.text("deleted_at IS NULL AND status <> 'PAUSED'"),
    )


def _value() -> None:
    op.create_table(
        "connector_value",
        sa.Column("connector_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=True),
        sa.Column("told_at", TIME, nullable=True),
        sa.Column("since", TIME, nullable=True),
        sa.Column("doubt", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("refusals", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("refused_code", sa.Text(), nullable=True),
        sa.Column("refused_message", sa.Text(), nullable=True),
        sa.Column("next_at", TIME, nullable=True),
        sa.CheckConstraint("kind IN ('AVAILABILITY', 'PRICE')", name=op.f("ck_connector_value_kind")),
        sa.CheckConstraint("NOT doubt OR since IS NOT NULL", name=op.f("ck_connector_value_doubt")),
        sa.ForeignKeyConstraint(["connector_id"], ["connector.id"], name=op.f("fk_connector_value_connector_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name=op.f("fk_connector_value_variant_id")),
        sa.PrimaryKeyConstraint("connector_id", "kind", "variant_id", name=op.f("pk_connector_value")),
    )
    op.create_index(
        "ix_connector_value_due",
        "connector_value",
        ["connector_id", "kind", "since"],
        postgresql_where=sa.text("since IS NOT NULL"),
    )


def _order() -> None:
    op.create_table(
        "connector_order",
        sa.Column("connector_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'NEW'"), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=True),
        sa.Column("cart_id", sa.Uuid(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("deadline", TIME, nullable=False),
        sa.Column("received_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_at", TIME, nullable=True),
        sa.Column("acknowledged_at", TIME, nullable=True),
        sa.CheckConstraint("status IN ('NEW', 'WAITING', 'PLACED', 'REFUSED')", name=op.f("ck_connector_order_status")),
        sa.CheckConstraint("(status = 'PLACED') = (cart_id IS NOT NULL)", name=op.f("ck_connector_order_placed")),
        sa.CheckConstraint(
            "(status IN ('NEW', 'WAITING')) = (document IS NOT NULL)", name=op.f("ck_connector_order_document")
        ),
        sa.ForeignKeyConstraint(["cart_id"], ["cart.id"], name=op.f("fk_connector_order_cart_id")),
        sa.ForeignKeyConstraint(["connector_id"], ["connector.id"], name=op.f("fk_connector_order_connector_id")),
        sa.PrimaryKeyConstraint("connector_id", "number", name=op.f("pk_connector_order")),
    )
    op.create_index(
        "ix_connector_order_due",
        "connector_order",
        ["connector_id", "next_at"],
        postgresql_where=sa.text("status IN ('NEW', 'WAITING')"),
    )
    op.create_index(
        "ix_connector_order_untold",
        "connector_order",
        ["connector_id"],
        postgresql_where=sa.text("acknowledged_at IS NULL AND status IN ('PLACED', 'REFUSED')"),
    )


def _run() -> None:
    counts = ("seen", "sent", "accepted", "attempts", "orders_read", "orders_placed", "refused_count")
    op.create_table(
        "connector_run",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("connector_id", sa.Uuid(), nullable=False),
        sa.Column("began_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        *(sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False) for name in counts),
        sa.Column("refused", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("next_at", TIME, nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["connector_id"], ["connector.id"], name=op.f("fk_connector_run_connector_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connector_run")),
    )
    op.create_index("ix_connector_run_connector_id", "connector_run", ["connector_id", "id"])


def downgrade() -> None:
    for table in ("connector_run", "connector_order", "connector_value", "connector"):
        op.drop_table(table)
