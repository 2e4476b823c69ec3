"""the first schema.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
    END $$
"""

# How the ledger's statement ends a transaction that it refuses, telling why.
REFUSE_STOCK = """
    CREATE FUNCTION refuse_stock(refusals json) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'stock refused' USING ERRCODE = 'UR001', DETAIL = refusals::text;
    END $$
"""


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute(sa.schema.CreateSequence(sa.Sequence("order_number", start=100_001)))
    op.create_table(
        "channel",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("prices_include_tax", sa.Boolean(), nullable=False),
        sa.Column("tax_rounding", sa.Text(), nullable=False),
        sa.Column("shipping_price_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel")),
        sa.UniqueConstraint("code", name=op.f("uq_channel_code")),
    )
    op.create_table(
        "customer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("loyalty_card", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("num_nonnulls(loyalty_card, email, phone) > 0", name=op.f("ck_customer_identified")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer")),
        sa.UniqueConstraint("email", name=op.f("uq_customer_email")),
        sa.UniqueConstraint("loyalty_card", name=op.f("uq_customer_loyalty_card")),
        sa.UniqueConstraint("phone", name=op.f("uq_customer_phone")),
    )
    op.create_table(
        "feed",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("position", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("single", name=op.f("ck_feed_single")),
        sa.PrimaryKeyConstraint("single", name=op.f("pk_feed")),
    )
    op.create_table(
        "handoff_guess",
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("guesses", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("caller", name=op.f("pk_handoff_guess")),
    )
    op.create_table(
        "hold",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'HELD'"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_hold_quantity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
    )
    op.create_index(
        "ix_hold_level",
        "hold",
        ["variant_id", "location_id"],
        unique=False,
        postgresql_where=sa.text("status = 'HELD'"),
    )
    op.create_index("ix_hold_live", "hold", ["expires_at"], unique=False, postgresql_where=sa.text("status = 'HELD'"))
    op.create_index(op.f("ix_hold_owner_id"), "hold", ["owner_id"], unique=False)
    op.create_table(
        "idempotency_key",
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("caller", "operation", "key", name=op.f("pk_idempotency_key")),
    )
    op.create_index(op.f("ix_idempotency_key_created_at"), "idempotency_key", ["created_at"], unique=False)
    op.create_table(
        "location",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("offers_pickup", sa.Boolean(), nullable=False),
        sa.Column("ships_orders", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_location")),
        sa.UniqueConstraint("code", name=op.f("uq_location_code")),
    )
    op.create_table(
        "outbox_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_event")),
    )
    op.create_index(
        "ix_outbox_event_due",
        "outbox_event",
        ["id"],
        unique=False,
        postgresql_where=sa.text("position IS NULL"),
    )
    op.create_index(
        "uq_outbox_event_position",
        "outbox_event",
        ["position"],
        unique=True,
        postgresql_where=sa.text("position IS NOT NULL"),
    )
    op.create_index("uq_outbox_event_subject_version", "outbox_event", ["subject", "version"], unique=True)
    op.create_table(
        "product",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("brand", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column(
            "words",
            sa.Text(),
            sa.Computed("lower(name || ' ' || coalesce(brand, '') || ' ' || coalesce(category, ''))", persisted=True),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
        sa.UniqueConstraint("handle", name=op.f("uq_product_handle")),
    )
    op.create_index("ix_product_category", "product", ["category", "id"], unique=False)
    op.create_index(
        "ix_product_words",
        "product",
        ["words"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"words": "gin_trgm_ops"},
    )
    op.create_table(
        "shortage",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("settled", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("quantity > 0 AND settled BETWEEN 0 AND quantity", name=op.f("ck_shortage_quantity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shortage")),
    )
    op.create_index(
        "ix_shortage_open",
        "shortage",
        ["variant_id", "location_id", "id"],
        unique=False,
        postgresql_where=sa.text("settled < quantity"),
    )
    op.create_table(
        "stock_movement",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("on_hand_delta", sa.BigInteger(), nullable=False),
        sa.Column("committed_delta", sa.BigInteger(), nullable=False),
        sa.Column("reserved_delta", sa.BigInteger(), nullable=False),
        sa.Column("unavailable_delta", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_movement")),
    )
    op.create_index(
        op.f("ix_stock_movement_variant_id_location_id_id"),
        "stock_movement",
        ["variant_id", "location_id", "id"],
        unique=False,
    )
    op.create_table(
        "test_charge",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_test_charge")),
    )
    op.create_table(
        "access_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("location_id", sa.BigInteger(), nullable=True),
        sa.Column("channel_id", sa.BigInteger(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("scopes", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(role = 'CUSTOMER') = (customer_id IS NOT NULL)", name=op.f("ck_access_key_customer")),
        sa.CheckConstraint("(role = 'TERMINAL') = (location_id IS NOT NULL)", name=op.f("ck_access_key_terminal")),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_access_key_digest")),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_access_key_channel_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_access_key_customer_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_access_key_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_key")),
    )
    op.create_index(
        "ix_access_key_expires_at",
        "access_key",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_table(
        "cart",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'ACTIVE'"), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("events", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("priced_in_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("last_changed_by_id", sa.BigInteger(), nullable=True),
        sa.Column("merged_into_id", sa.Uuid(), nullable=True),
        sa.Column("checkout_id", sa.Uuid(), nullable=True),
        sa.Column("address", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_cart_channel_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_cart_customer_id")),
        sa.ForeignKeyConstraint(["last_changed_by_id"], ["channel.id"], name=op.f("fk_cart_last_changed_by_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_cart_location_id")),
        sa.ForeignKeyConstraint(["merged_into_id"], ["cart.id"], name=op.f("fk_cart_merged_into_id")),
        sa.ForeignKeyConstraint(["priced_in_id"], ["channel.id"], name=op.f("fk_cart_priced_in_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cart")),
    )
    op.create_index("ix_cart_customer_id", "cart", ["customer_id", "updated_at"], unique=False)
    op.create_index(
        "ix_cart_stale", "cart", ["updated_at"], unique=False, postgresql_where=sa.text("status = 'ACTIVE'")
    )
    op.create_index(
        "uq_cart_active_customer",
        "cart",
        ["customer_id"],
        unique=True,
        postgresql_where=sa.text("status = 'ACTIVE'"),
    )
    op.create_table(
        "channel_location",
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_channel_location_channel_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_channel_location_location_id")),
        sa.PrimaryKeyConstraint("channel_id", "location_id", name=op.f("pk_channel_location")),
    )
    op.create_index(op.f("ix_channel_location_location_id"), "channel_location", ["location_id"], unique=False)
    op.create_table(
        "tax_rate",
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("tax_class", sa.Text(), nullable=False),
        sa.Column("rate", sa.Numeric(precision=7, scale=6), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_tax_rate_channel_id")),
        sa.PrimaryKeyConstraint("channel_id", "tax_class", name=op.f("pk_tax_rate")),
    )
    op.create_table(
        "variant",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("barcode", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tax_class", sa.Text(), nullable=False),
        sa.Column("discontinued", sa.Boolean(), nullable=False),
        sa.Column("events", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("events >= 0", name=op.f("ck_variant_events")),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name=op.f("fk_variant_product_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_variant")),
        postgresql.ExcludeConstraint(
            (sa.column("barcode"), "="), name="ex_variant_barcode", using="btree", deferrable=True
        ),
        sa.UniqueConstraint("sku", name=op.f("uq_variant_sku")),
    )
    op.create_index(op.f("ix_variant_product_id_id"), "variant", ["product_id", "id"], unique=False)
    op.create_table(
        "cart_line",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("cart_id", sa.Uuid(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("chosen", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=True),
        sa.Column("added_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_cart_line_quantity")),
        sa.ForeignKeyConstraint(["cart_id"], ["cart.id"], name=op.f("fk_cart_line_cart_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_cart_line_location_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name=op.f("fk_cart_line_variant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cart_line")),
        sa.UniqueConstraint(
            "cart_id",
            "variant_id",
            "method",
            "location_id",
            name="uq_cart_line_key",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "checkout_attempt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("cart_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'PENDING'"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("draft", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["cart_id"], ["cart.id"], name=op.f("fk_checkout_attempt_cart_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkout_attempt")),
    )
    op.create_index(
        "ix_checkout_attempt_due",
        "checkout_attempt",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('PENDING', 'ENDING')"),
    )
    op.create_index(
        "uq_checkout_attempt_cart",
        "checkout_attempt",
        ["cart_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('PENDING', 'ENDING')"),
    )
    op.create_table(
        "handoff",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("cart_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["cart_id"], ["cart.id"], name=op.f("fk_handoff_cart_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_handoff")),
    )
    op.create_index(op.f("ix_handoff_cart_id"), "handoff", ["cart_id"], unique=False)
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), server_default=sa.text("nextval('order_number')::text"), nullable=False),
        sa.Column("cart_id", sa.Uuid(), nullable=True),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("cart_channel_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("payment_status", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("prices_include_tax", sa.Boolean(), nullable=False),
        sa.Column("subtotal_minor", sa.BigInteger(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("shipping_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("address", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("refunded_minor BETWEEN 0 AND total_minor", name=op.f("ck_orders_refunded")),
        sa.CheckConstraint(
            "total_minor = subtotal_minor - discount_minor + shipping_minor + CASE WHEN prices_include_tax THEN 0 ELSE tax_minor END",
            name=op.f("ck_orders_total"),
        ),
        sa.ForeignKeyConstraint(["cart_channel_id"], ["channel.id"], name=op.f("fk_orders_cart_channel_id")),
        sa.ForeignKeyConstraint(["cart_id"], ["cart.id"], name=op.f("fk_orders_cart_id")),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_orders_channel_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_orders_customer_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_orders_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("cart_id", name=op.f("uq_orders_cart_id")),
        sa.UniqueConstraint("number", name=op.f("uq_orders_number")),
    )
    op.create_index("ix_orders_customer_id", "orders", ["customer_id", "placed_at"], unique=False)
    op.create_index("ix_orders_placed_at", "orders", ["placed_at", "id"], unique=False)
    op.create_table(
        "price",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=True),
        sa.Column("location_id", sa.BigInteger(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_price_amount")),
        sa.CheckConstraint("valid_to > valid_from", name=op.f("ck_price_span")),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_price_channel_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_price_location_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name=op.f("fk_price_variant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price")),
        sa.UniqueConstraint(
            "variant_id",
            "channel_id",
            "location_id",
            "valid_from",
            name="uq_price_key",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(op.f("ix_price_channel_id"), "price", ["channel_id"], unique=False)
    op.create_table(
        "stock_level",
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("on_hand", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("committed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reserved", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unavailable", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("safety_stock", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("incoming", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("shortage", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "committed >= 0 AND reserved >= 0 AND unavailable >= 0 AND safety_stock >= 0",
            name=op.f("ck_stock_level_signs"),
        ),
        sa.CheckConstraint(
            "shortage = greatest(0, committed + reserved + unavailable - on_hand)",
            name=op.f("ck_stock_level_shortage"),
        ),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_stock_level_location_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name=op.f("fk_stock_level_variant_id")),
        sa.PrimaryKeyConstraint("variant_id", "location_id", name=op.f("pk_stock_level")),
    )
    op.create_index(
        op.f("ix_stock_level_location_id_variant_id"),
        "stock_level",
        ["location_id", "variant_id"],
        unique=False,
    )
    op.create_table(
        "fulfillment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("tracking", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_fulfillment_location_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_fulfillment_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fulfillment")),
    )
    op.create_index(
        "ix_fulfillment_open",
        "fulfillment",
        ["location_id", "id"],
        unique=False,
        postgresql_where=sa.text("status IN ('ALLOCATED', 'PICKED', 'READY_FOR_PICKUP')"),
    )
    op.create_index(op.f("ix_fulfillment_order_id"), "fulfillment", ["order_id"], unique=False)
    op.create_table(
        "order_event",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_order_event_channel_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_event_order_id")),
        sa.PrimaryKeyConstraint("order_id", "version", name=op.f("pk_order_event")),
    )
    op.create_table(
        "order_line",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("returned_quantity", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cancelled_quantity", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unit_minor", sa.BigInteger(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_class", sa.Text(), nullable=False),
        sa.Column("tax_rate", sa.Numeric(precision=7, scale=6), nullable=False),
        sa.CheckConstraint("cancelled_quantity BETWEEN 0 AND quantity", name=op.f("ck_order_line_cancelled")),
        sa.CheckConstraint(
            "quantity > 0 AND returned_quantity BETWEEN 0 AND quantity", name=op.f("ck_order_line_quantity")
        ),
        sa.CheckConstraint("total_minor = unit_minor * quantity - discount_minor", name=op.f("ck_order_line_total")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_line_order_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name=op.f("fk_order_line_variant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_line")),
    )
    op.create_index(op.f("ix_order_line_order_id_position"), "order_line", ["order_id", "position"], unique=False)
    op.create_table(
        "order_tax_line",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("rate", sa.Numeric(precision=7, scale=6), nullable=False),
        sa.Column("taxable_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_tax_line_order_id")),
        sa.PrimaryKeyConstraint("order_id", "rate", name=op.f("pk_order_tax_line")),
    )
    op.create_table(
        "payment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("captured_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "amount_minor >= 0 AND captured_minor BETWEEN 0 AND amount_minor",
            name=op.f("ck_payment_captured"),
        ),
        sa.CheckConstraint("refunded_minor BETWEEN 0 AND captured_minor", name=op.f("ck_payment_refunded")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_payment_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
    )
    op.create_index(op.f("ix_payment_order_id"), "payment", ["order_id"], unique=False)
    op.create_table(
        "fulfillment_line",
        sa.Column("fulfillment_id", sa.Uuid(), nullable=False),
        sa.Column("order_line_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_fulfillment_line_quantity")),
        sa.ForeignKeyConstraint(
            ["fulfillment_id"], ["fulfillment.id"], name=op.f("fk_fulfillment_line_fulfillment_id")
        ),
        sa.ForeignKeyConstraint(["order_line_id"], ["order_line.id"], name=op.f("fk_fulfillment_line_order_line_id")),
        sa.PrimaryKeyConstraint("fulfillment_id", "order_line_id", name=op.f("pk_fulfillment_line")),
    )
    op.create_index(op.f("ix_fulfillment_line_order_line_id"), "fulfillment_line", ["order_line_id"], unique=False)
    op.execute("INSERT INTO feed DEFAULT VALUES")
    op.execute(APPEND_ONLY)
    op.execute(REFUSE_STOCK)
    for table in ("stock_movement", "order_event"):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    # Rows that change often keep room on their page, so that a change touches no index.
    for table in ("stock_level", "cart", "variant", "outbox_event"):
        op.execute(f"ALTER TABLE {table} SET (fillfactor = 80)")


def downgrade() -> None:
    op.drop_index(op.f("ix_fulfillment_line_order_line_id"), table_name="fulfillment_line")
    op.drop_table("fulfillment_line")
    op.drop_index(op.f("ix_payment_order_id"), table_name="payment")
    op.drop_table("payment")
    op.drop_table("order_tax_line")
    op.drop_index(op.f("ix_order_line_order_id_position"), table_name="order_line")
    op.drop_table("order_line")
    op.drop_table("order_event")
    op.drop_index(op.f("ix_fulfillment_order_id"), table_name="fulfillment")
    op.drop_index(
        "ix_fulfillment_open",
        table_name="fulfillment",
        postgresql_where=sa.text("status IN ('ALLOCATED', 'PICKED', 'READY_FOR_PICKUP')"),
    )
    op.drop_table("fulfillment")
    op.drop_index(op.f("ix_stock_level_location_id_variant_id"), table_name="stock_level")
    op.drop_table("stock_level")
    op.drop_index(op.f("ix_price_channel_id"), table_name="price")
    op.drop_table("price")
    op.drop_index("ix_orders_placed_at", table_name="orders")
    op.drop_index("ix_orders_customer_id", table_name="orders")
    op.drop_table("orders")
    op.drop_index(op.f("ix_handoff_cart_id"), table_name="handoff")
    op.drop_table("handoff")
    op.drop_index(
        "uq_checkout_attempt_cart",
        table_name="checkout_attempt",
        postgresql_where=sa.text("status IN ('PENDING', 'ENDING')"),
    )
    op.drop_index(
        "ix_checkout_attempt_due",
        table_name="checkout_attempt",
        postgresql_where=sa.text("status IN ('PENDING', 'ENDING')"),
    )
    op.drop_table("checkout_attempt")
    op.drop_table("cart_line")
    op.drop_index(op.f("ix_variant_product_id_id"), table_name="variant")
    op.drop_table("variant")
    op.drop_table("tax_rate")
    op.drop_index(op.f("ix_channel_location_location_id"), table_name="channel_location")
    op.drop_table("channel_location")
    op.drop_index("uq_cart_active_customer", table_name="cart", postgresql_where=sa.text("status = 'ACTIVE'"))
    op.drop_index("ix_cart_stale", table_name="cart", postgresql_where=sa.text("status = 'ACTIVE'"))
    op.drop_index("ix_cart_customer_id", table_name="cart")
    op.drop_table("cart")
    op.drop_index(
        "ix_access_key_expires_at",
        table_name="access_key",
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.drop_table("access_key")
    op.drop_table("test_charge")
    op.drop_index(op.f("ix_stock_movement_variant_id_location_id_id"), table_name="stock_movement")
    op.drop_table("stock_movement")
    op.drop_index("ix_shortage_open", table_name="shortage", postgresql_where=sa.text("settled < quantity"))
    op.drop_table("shortage")
    op.drop_index(
        "ix_product_words",
        table_name="product",
        postgresql_using="gin",
        postgresql_ops={"words": "gin_trgm_ops"},
    )
    op.drop_index("ix_product_category", table_name="product")
    op.drop_table("product")
    op.drop_index("uq_outbox_event_subject_version", table_name="outbox_event")
    op.drop_index(
        "uq_outbox_event_position",
        table_name="outbox_event",
        postgresql_where=sa.text("position IS NOT NULL"),
    )
    op.drop_index("ix_outbox_event_due", table_name="outbox_event", postgresql_where=sa.text("position IS NULL"))
    op.drop_table("outbox_event")
    op.drop_table("location")
    op.drop_index(op.f("ix_idempotency_key_created_at"), table_name="idempotency_key")
    op.drop_table("idempotency_key")
    op.drop_index(op.f("ix_hold_owner_id"), table_name="hold")
    op.drop_index("ix_hold_live", table_name="hold", postgresql_where=sa.text("status = 'HELD'"))
    op.drop_index("ix_hold_level", table_name="hold", postgresql_where=sa.text("status = 'HELD'"))
    op.drop_table("hold")
    op.drop_table("handoff_guess")
    op.drop_table("feed")
    op.drop_table("customer")
    op.drop_table("channel")
    op.execute("DROP FUNCTION refuse_change")
    op.execute("DROP FUNCTION refuse_stock")
    op.execute("DROP SEQUENCE order_number")
