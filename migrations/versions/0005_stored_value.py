"""Gift cards and loyalty points.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gift_card",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("last4", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("blocked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("balance_minor >= 0", name=op.f("ck_gift_card_balance")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gift_card")),
        sa.UniqueConstraint("digest", name=op.f("uq_gift_card_digest")),
    )
    op.create_table(
        "gift_card_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("card_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        *_entry(),
        sa.CheckConstraint(
            "CASE kind WHEN 'REDEEM' THEN amount_minor < 0 WHEN 'ADJUST' THEN amount_minor <> 0 "
            "ELSE amount_minor > 0 END",
            name=op.f("ck_gift_card_entry_amount"),
        ),
        sa.CheckConstraint(
            "kind IN ('ISSUE', 'ADJUST') OR order_id IS NOT NULL", name=op.f("ck_gift_card_entry_order")
        ),
        sa.ForeignKeyConstraint(["card_id"], ["gift_card.id"], name=op.f("fk_gift_card_entry_card_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gift_card_entry")),
        sa.UniqueConstraint("operation_id", name=op.f("uq_gift_card_entry_operation_id")),
    )
    op.create_index(op.f("ix_gift_card_entry_card_id_id"), "gift_card_entry", ["card_id", "id"], unique=False)
    _once("gift_card_entry", "order", ["order_id"], "order_id IS NOT NULL", unique=False)
    _once("gift_card_entry", "give_back", ["order_id", "card_id"], "kind = 'GIVE_BACK'")
    op.create_table(
        "points_account",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("balance", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("owed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("balance >= 0 AND owed >= 0", name=op.f("ck_points_account_balance")),
        sa.CheckConstraint("balance = 0 OR owed = 0", name=op.f("ck_points_account_owed")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_points_account_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_points_account")),
    )
    op.create_table(
        "points_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        *_entry(),
        sa.CheckConstraint("kind = 'ADJUST' OR order_id IS NOT NULL", name=op.f("ck_points_entry_order")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_points_entry_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_points_entry")),
        sa.UniqueConstraint("operation_id", name=op.f("uq_points_entry_operation_id")),
    )
    op.create_index(op.f("ix_points_entry_customer_id_id"), "points_entry", ["customer_id", "id"], unique=False)
    _once("points_entry", "order", ["order_id"], "order_id IS NOT NULL", unique=False)
    _once("points_entry", "earn", ["order_id"], "kind = 'EARN'")
    _once("points_entry", "give_back", ["order_id"], "kind = 'GIVE_BACK'")


def _entry() -> tuple[sa.Column[object], ...]:
    """What lines of both ledgers have."""
    return (
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("operation_id", sa.Uuid(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )


def _once(table: str, name: str, columns: list[str], where: str, *, unique: bool = True) -> None:
    op.create_index(
        f"{'uq' if unique else 'ix'}_{table}_{name}", table, columns, unique=unique, postgresql_where=sa.text(where)
    )


def downgrade() -> None:
    for table in ("points_entry", "points_account", "gift_card_entry", "gift_card"):
        op.drop_table(table)
