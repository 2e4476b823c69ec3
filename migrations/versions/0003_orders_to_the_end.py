"""Terms of trade, money that moves after the order, returns in full, and how fulfillments end.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_event",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("charge", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("provider", "event", name=op.f("pk_provider_event")),
    )
    op.create_index(op.f("ix_provider_event_charge"), "provider_event", ["charge"], unique=False)
    op.create_table(
        "test_move",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("charge", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_test_move")),
    )
    op.create_table(
        "order_promotion",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("promotion", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("coupon", sa.Text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_promotion_order_id")),
        sa.PrimaryKeyConstraint("order_id", "position", name=op.f("pk_order_promotion")),
    )
    op.create_table(
        "order_return_tax",
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("rate", sa.Numeric(precision=7, scale=6), nullable=False),
        sa.Column("gross_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["return_id"], ["order_return.id"], name=op.f("fk_order_return_tax_return_id")),
        sa.PrimaryKeyConstraint("return_id", "rate", name=op.f("pk_order_return_tax")),
    )
    op.create_table(
        "payment_operation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'PENDING'"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payment_operation_amount")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_payment_operation_order_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_payment_operation_payment_id")),
        sa.ForeignKeyConstraint(["return_id"], ["order_return.id"], name=op.f("fk_payment_operation_return_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_operation")),
    )
    op.create_index(
        "ix_payment_operation_due",
        "payment_operation",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("status = 'PENDING'"),
    )
    op.create_index(op.f("ix_payment_operation_order_id"), "payment_operation", ["order_id"], unique=False)
    op.create_index(op.f("ix_payment_operation_payment_id"), "payment_operation", ["payment_id"], unique=False)
    op.add_column("channel", sa.Column("capture", sa.Text(), server_default=sa.text("'AT_CHECKOUT'"), nullable=False))
    op.add_column("channel", sa.Column("split_limit", sa.BigInteger(), nullable=True))
    op.add_column("channel", sa.Column("return_window_days", sa.BigInteger(), nullable=True))
    op.add_column("channel", sa.Column("return_approval_minor", sa.BigInteger(), nullable=True))
    op.add_column(
        "channel",
        sa.Column("points_per_unit", sa.Numeric(precision=9, scale=4), server_default=sa.text("0"), nullable=False),
    )
    op.add_column(
        "channel", sa.Column("point_value_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("channel", sa.Column("issuer", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("checkout_attempt", sa.Column("action", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("fulfillment", sa.Column("reason", sa.Text(), nullable=True))
    op.add_column("fulfillment", sa.Column("pickup_code", sa.Text(), nullable=True))
    op.add_column("fulfillment", sa.Column("ready_by", sa.DateTime(timezone=True), nullable=True))
    op.add_column("fulfillment", sa.Column("hold_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("fulfillment", sa.Column("sourcing", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column(
        "fulfillment",
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.create_index(
        "ix_fulfillment_pickup_term",
        "fulfillment",
        ["hold_until"],
        unique=False,
        postgresql_where=sa.text("status = 'READY_FOR_PICKUP'"),
    )
    op.add_column("location", sa.Column("region", sa.Text(), nullable=True))
    op.add_column("location", sa.Column("latitude", sa.Double(), nullable=True))
    op.add_column("location", sa.Column("longitude", sa.Double(), nullable=True))
    op.add_column("location", sa.Column("address", sa.Text(), nullable=True))
    op.add_column("location", sa.Column("phone", sa.Text(), nullable=True))
    op.add_column(
        "location", sa.Column("pickup_ready_minutes", sa.BigInteger(), server_default=sa.text("60"), nullable=False)
    )
    op.add_column(
        "location", sa.Column("pickup_hold_days", sa.BigInteger(), server_default=sa.text("7"), nullable=False)
    )
    op.add_column("order_return", sa.Column("exchange_order_id", sa.Uuid(), nullable=True))
    op.add_column("order_return", sa.Column("note", sa.Text(), nullable=True))
    op.add_column("order_return", sa.Column("actor", sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f("fk_order_return_exchange_order_id"), "order_return", "orders", ["exchange_order_id"], ["id"]
    )
    op.add_column("order_return_line", sa.Column("condition", sa.Text(), nullable=True))
    op.add_column("order_return_line", sa.Column("reason", sa.Text(), nullable=True))
    op.add_column(
        "order_return_line", sa.Column("refund_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("orders", sa.Column("exchange_of", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_orders_exchange_of"), "orders", "orders", ["exchange_of"], ["id"])
    op.add_column("payment", sa.Column("voided_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("payment", sa.Column("tendered_minor", sa.BigInteger(), nullable=True))
    op.add_column("payment", sa.Column("key", sa.Text(), nullable=True))
    op.add_column("payment", sa.Column("capture_once", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column(
        "test_charge", sa.Column("captured_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column(
        "test_charge", sa.Column("refunded_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.drop_constraint(op.f("ck_payment_captured"), "payment")
    op.create_check_constraint(
        op.f("ck_payment_captured"),
        "payment",
        "captured_minor >= 0 AND voided_minor >= 0 AND captured_minor + voided_minor <= amount_minor",
    )
    op.create_index("ix_orders_email", "orders", ["email"], unique=False, postgresql_where=sa.text("email IS NOT NULL"))
    op.create_index("ix_orders_phone", "orders", ["phone"], unique=False, postgresql_where=sa.text("phone IS NOT NULL"))


def downgrade() -> None:
    op.drop_index("ix_orders_phone", table_name="orders", postgresql_where=sa.text("phone IS NOT NULL"))
    op.drop_index("ix_orders_email", table_name="orders", postgresql_where=sa.text("email IS NOT NULL"))

    op.drop_constraint(op.f("ck_payment_captured"), "payment")
    op.create_check_constraint(
        op.f("ck_payment_captured"),
        "payment",
        "amount_minor >= 0 AND captured_minor BETWEEN 0 AND amount_minor",
    )
    op.drop_column("test_charge", "refunded_minor")
    op.drop_column("test_charge", "captured_minor")
    op.drop_column("payment", "capture_once")
    op.drop_column("payment", "key")
    op.drop_column("payment", "tendered_minor")
    op.drop_column("payment", "voided_minor")
    op.drop_constraint(op.f("fk_orders_exchange_of"), "orders", type_="foreignkey")
    op.drop_column("orders", "exchange_of")
    op.drop_column("order_return_line", "refund_minor")
    op.drop_column("order_return_line", "reason")
    op.drop_column("order_return_line", "condition")
    op.drop_constraint(op.f("fk_order_return_exchange_order_id"), "order_return", type_="foreignkey")
    op.drop_column("order_return", "actor")
    op.drop_column("order_return", "note")
    op.drop_column("order_return", "exchange_order_id")
    op.drop_column("location", "pickup_hold_days")
    op.drop_column("location", "pickup_ready_minutes")
    op.drop_column("location", "phone")
    op.drop_column("location", "address")
    op.drop_column("location", "longitude")
    op.drop_column("location", "latitude")
    op.drop_column("location", "region")
    op.drop_index(
        "ix_fulfillment_pickup_term", table_name="fulfillment", postgresql_where=sa.text("status = 'READY_FOR_PICKUP'")
    )
    op.drop_column("fulfillment", "changed_at")
    op.drop_column("fulfillment", "sourcing")
    op.drop_column("fulfillment", "hold_until")
    op.drop_column("fulfillment", "ready_by")
    op.drop_column("fulfillment", "pickup_code")
    op.drop_column("fulfillment", "reason")
    op.drop_column("checkout_attempt", "action")
    op.drop_column("channel", "issuer")
    op.drop_column("channel", "point_value_minor")
    op.drop_column("channel", "points_per_unit")
    op.drop_column("channel", "return_approval_minor")
    op.drop_column("channel", "return_window_days")
    op.drop_column("channel", "split_limit")
    op.drop_column("channel", "capture")
    op.drop_index(op.f("ix_payment_operation_payment_id"), table_name="payment_operation")
    op.drop_index(op.f("ix_payment_operation_order_id"), table_name="payment_operation")
    op.drop_index(
        "ix_payment_operation_due", table_name="payment_operation", postgresql_where=sa.text("status = 'PENDING'")
    )
    op.drop_table("payment_operation")
    op.drop_table("order_return_tax")
    op.drop_table("order_promotion")
    op.drop_table("test_move")
    op.drop_index(op.f("ix_provider_event_charge"), table_name="provider_event")
    op.drop_table("provider_event")
