"""Alerts, readers of the feed, opening hours.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("location", sa.Column("opening_hours", sa.Text(), nullable=True))
    op.create_table(
        "alert",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=True),
        sa.Column("channel_id", sa.BigInteger(), nullable=True),
        sa.Column("value", sa.Float(53), nullable=False),
        sa.Column("threshold", sa.Float(53), nullable=False),
        sa.Column("opened_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("calm_since", TIME, nullable=True),
        sa.Column("closed_at", TIME, nullable=True),
        sa.Column("acknowledged_at", TIME, nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("events", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name=op.f("ck_alert_acknowledged")),
        sa.CheckConstraint("events = 1 + (closed_at IS NOT NULL)::int", name=op.f("ck_alert_events")),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_alert_channel_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_alert_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
    )
    op.create_index(
        "uq_alert_open", "alert", ["kind", "subject"], unique=True, postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_index("ix_alert_location_id", "alert", ["location_id", "id"])
    op.create_table(
        "alert_cursor",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("single", name=op.f("ck_alert_cursor_single")),
        sa.PrimaryKeyConstraint("single", name=op.f("pk_alert_cursor")),
    )
    # What is low already is no news.
    op.execute("INSERT INTO alert_cursor (position) SELECT position FROM feed")
    op.create_table(
        "feed_reader",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["access_key.id"], name=op.f("fk_feed_reader_key_id")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_feed_reader")),
    )
    op.create_index(
        "ix_delivery_failed", "delivery", ["endpoint_id", "position"], postgresql_where=sa.text("status = 'FAILED'")
    )
    op.create_index(
        "ix_access_key_location_id",
        "access_key",
        ["location_id", "id"],
        postgresql_where=sa.text("location_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_access_key_location_id", "access_key")
    op.drop_index("ix_delivery_failed", "delivery")
    for table in ("feed_reader", "alert_cursor", "alert"):
        op.drop_table(table)
    op.drop_column("location", "opening_hours")
