"""Facts of tills, conflicts, returns, transfers and why units are unavailable.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "conflict",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'OPEN'"), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("location_id", sa.BigInteger(), nullable=True),
        sa.Column("variant_id", sa.BigInteger(), nullable=True),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("shortage_id", sa.BigInteger(), nullable=True),
        sa.Column("terminal", sa.Text(), nullable=True),
        sa.Column("quantity", sa.BigInteger(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("problems", sa.JSON(), nullable=True),
        sa.Column("event", sa.JSON(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conflict")),
    )
    op.create_index("ix_conflict_location", "conflict", ["location_id", "id"], unique=False)
    op.create_index("ix_conflict_open", "conflict", ["id"], unique=False, postgresql_where=sa.text("status = 'OPEN'"))
    op.create_index(
        "uq_conflict_fact", "conflict", ["key"], unique=True, postgresql_where=sa.text("kind IN ('PARKED', 'TAMPERED')")
    )
    op.create_index(
        "uq_conflict_price",
        "conflict",
        ["key"],
        unique=True,
        postgresql_where=sa.text("kind = 'PRICE_VARIANCE' AND status = 'OPEN'"),
    )
    op.create_index(
        "uq_conflict_shortage",
        "conflict",
        ["shortage_id"],
        unique=True,
        postgresql_where=sa.text("shortage_id IS NOT NULL"),
    )
    op.create_table(
        "pos_event",
        sa.Column("terminal_id", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("movements", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("skew_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_pos_event_digest")),
        sa.PrimaryKeyConstraint("terminal_id", "epoch", "sequence", name=op.f("pk_pos_event")),
    )
    op.create_index("uq_pos_event_event_id", "pos_event", ["terminal_id", "event_id"], unique=True)
    op.create_table(
        "stock_unavailable",
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("variant_id", "location_id", "state", name=op.f("pk_stock_unavailable")),
    )
    # What was unavailable before there were reasons for it counts as damaged.
    op.execute(
        "INSERT INTO stock_unavailable (variant_id, location_id, state, quantity) "
        "SELECT variant_id, location_id, 'DAMAGED', unavailable FROM stock_level WHERE unavailable > 0"
    )
    op.create_table(
        "stock_transfer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("from_location_id", sa.BigInteger(), nullable=False),
        sa.Column("to_location_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'DRAFT'"), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("shipped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("from_location_id <> to_location_id", name=op.f("ck_stock_transfer_locations")),
        sa.ForeignKeyConstraint(["from_location_id"], ["location.id"], name=op.f("fk_stock_transfer_from_location_id")),
        sa.ForeignKeyConstraint(["to_location_id"], ["location.id"], name=op.f("fk_stock_transfer_to_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_transfer")),
    )
    op.create_index(
        op.f("ix_stock_transfer_from_location_id_id"), "stock_transfer", ["from_location_id", "id"], unique=False
    )
    op.create_index(
        op.f("ix_stock_transfer_to_location_id_id"), "stock_transfer", ["to_location_id", "id"], unique=False
    )
    op.create_table(
        "pos_terminal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("skew_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("synced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["access_key.id"], name=op.f("fk_pos_terminal_key_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_pos_terminal_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pos_terminal")),
        sa.UniqueConstraint("key_id", name=op.f("uq_pos_terminal_key_id")),
    )
    op.create_table(
        "stock_transfer_line",
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("shipped", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("received", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("returned", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("discrepancy", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "quantity > 0 AND shipped >= 0 AND received >= 0 AND returned >= 0",
            name=op.f("ck_stock_transfer_line_quantity"),
        ),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["stock_transfer.id"], name=op.f("fk_stock_transfer_line_transfer_id")
        ),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name=op.f("fk_stock_transfer_line_variant_id")),
        sa.PrimaryKeyConstraint("transfer_id", "variant_id", name=op.f("pk_stock_transfer_line")),
    )
    op.create_table(
        "order_return",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("refund_minor", sa.BigInteger(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("original_receipt", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("refund_minor >= 0", name=op.f("ck_order_return_refund")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_order_return_location_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_return_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_return")),
    )
    op.create_index(op.f("ix_order_return_order_id"), "order_return", ["order_id"], unique=False)
    op.create_index(
        "ix_order_return_waiting",
        "order_return",
        ["original_receipt"],
        unique=False,
        postgresql_where=sa.text("order_id IS NULL AND original_receipt IS NOT NULL"),
    )
    op.create_table(
        "pos_epoch",
        sa.Column("terminal_id", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("seen", postgresql.INT8MULTIRANGE(), nullable=False),
        sa.CheckConstraint("epoch > 0", name=op.f("ck_pos_epoch_epoch")),
        sa.ForeignKeyConstraint(["terminal_id"], ["pos_terminal.id"], name=op.f("fk_pos_epoch_terminal_id")),
        sa.PrimaryKeyConstraint("terminal_id", "epoch", name=op.f("pk_pos_epoch")),
    )
    op.create_table(
        "order_return_line",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("order_line_id", sa.Uuid(), nullable=True),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("restocked", sa.Boolean(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_order_return_line_quantity")),
        sa.ForeignKeyConstraint(["order_line_id"], ["order_line.id"], name=op.f("fk_order_return_line_order_line_id")),
        sa.ForeignKeyConstraint(["return_id"], ["order_return.id"], name=op.f("fk_order_return_line_return_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name=op.f("fk_order_return_line_variant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_return_line")),
    )
    op.create_index(op.f("ix_order_return_line_return_id"), "order_return_line", ["return_id"], unique=False)
    op.add_column("orders", sa.Column("receipt", sa.Text(), nullable=True))
    op.create_index(
        "ix_orders_receipt", "orders", ["receipt"], unique=False, postgresql_where=sa.text("receipt IS NOT NULL")
    )
    op.create_index(
        "ix_fulfillment_waiting",
        "fulfillment",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status = 'BACKORDERED'"),
    )
    op.create_index(
        "ix_stock_level_short",
        "stock_level",
        ["variant_id", "location_id"],
        unique=False,
        postgresql_where=sa.text("shortage > 0"),
    )
    op.add_column("stock_level", sa.Column("counted_by", sa.Text(), nullable=True))
    op.execute("UPDATE stock_level SET counted_by = '' WHERE counted_at IS NOT NULL")
    op.add_column(
        "stock_movement", sa.Column("incoming_delta", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("stock_movement", sa.Column("state", sa.Text(), nullable=True))
    # What a till's sale would pay for on each of its lines.
    op.drop_constraint("fk_order_line_variant_id", "order_line")
    op.drop_constraint("fk_fulfillment_line_order_line_id", "fulfillment_line")
    op.drop_index("ix_fulfillment_line_order_line_id", table_name="fulfillment_line")
    op.drop_index(op.f("ix_stock_movement_variant_id_location_id_id"), table_name="stock_movement")
    op.create_index(
        op.f("ix_stock_movement_variant_id_location_id_recorded_at_id"),
        "stock_movement",
        ["variant_id", "location_id", "recorded_at", "id"],
        unique=False,
    )


def downgrade() -> None:
    op.create_index("ix_fulfillment_line_order_line_id", "fulfillment_line", ["order_line_id"])
    op.create_foreign_key(
        "fk_fulfillment_line_order_line_id", "fulfillment_line", "order_line", ["order_line_id"], ["id"]
    )
    op.create_foreign_key("fk_order_line_variant_id", "order_line", "variant", ["variant_id"], ["id"])
    op.drop_index(op.f("ix_stock_movement_variant_id_location_id_recorded_at_id"), table_name="stock_movement")
    op.create_index(
        op.f("ix_stock_movement_variant_id_location_id_id"),
        "stock_movement",
        ["variant_id", "location_id", "id"],
        unique=False,
    )
    op.drop_column("stock_movement", "state")
    op.drop_column("stock_movement", "incoming_delta")
    op.drop_column("stock_level", "counted_by")
    op.drop_index("ix_stock_level_short", table_name="stock_level", postgresql_where=sa.text("shortage > 0"))
    op.drop_index(
        "ix_fulfillment_waiting", table_name="fulfillment", postgresql_where=sa.text("status = 'BACKORDERED'")
    )
    op.drop_index("ix_orders_receipt", table_name="orders", postgresql_where=sa.text("receipt IS NOT NULL"))
    op.drop_column("orders", "receipt")
    op.drop_index(op.f("ix_order_return_line_return_id"), table_name="order_return_line")
    op.drop_table("order_return_line")
    op.drop_table("pos_epoch")
    op.drop_index(
        "ix_order_return_waiting",
        table_name="order_return",
        postgresql_where=sa.text("order_id IS NULL AND original_receipt IS NOT NULL"),
    )
    op.drop_index(op.f("ix_order_return_order_id"), table_name="order_return")
    op.drop_table("order_return")
    op.drop_table("stock_transfer_line")
    op.drop_table("pos_terminal")
    op.drop_index(op.f("ix_stock_transfer_to_location_id_id"), table_name="stock_transfer")
    op.drop_index(op.f("ix_stock_transfer_from_location_id_id"), table_name="stock_transfer")
    op.drop_table("stock_transfer")
    op.drop_table("stock_unavailable")
    op.drop_index("uq_pos_event_event_id", table_name="pos_event")
    op.drop_table("pos_event")
    op.drop_index("uq_conflict_shortage", table_name="conflict", postgresql_where=sa.text("shortage_id IS NOT NULL"))
    op.drop_index(
        "uq_conflict_price",
        table_name="conflict",
        postgresql_where=sa.text("kind = 'PRICE_VARIANCE' AND status = 'OPEN'"),
    )
    op.drop_index("uq_conflict_fact", table_name="conflict", postgresql_where=sa.text("kind IN ('PARKED', 'TAMPERED')"))
    op.drop_index("ix_conflict_open", table_name="conflict", postgresql_where=sa.text("status = 'OPEN'"))
    op.drop_index("ix_conflict_location", table_name="conflict")
    op.drop_table("conflict")
