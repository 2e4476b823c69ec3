"""Create the whole schema.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from uriba.migrate.operations import apply_sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "idempotency_key",
    "feed",
    "outbox_event",
    "channel",
    "location",
    "product",
    "channel_location",
    "tax_rate",
    "variant",
    "customer",
    "conflict",
    "handoff_guess",
    "access_key",
    "promotion",
    "coupon",
    "coupon_redemption",
    "price",
    "promotion_item",
    "hold",
    "shortage",
    "stock_movement",
    "stock_unavailable",
    "stock_transfer",
    "stock_level",
    "stock_transfer_line",
    "gift_card",
    "gift_card_entry",
    "points_account",
    "points_entry",
    "cart",
    "cart_coupon",
    "cart_line",
    "handoff",
    "orders",
    "order_event",
    "order_line",
    "order_promotion",
    "order_return",
    "order_tax_line",
    "payment",
    "order_return_line",
    "order_return_tax",
    "payment_operation",
    "fulfillment",
    "fulfillment_line",
    "provider_event",
    "checkout_attempt",
    "pos_event",
    "pos_terminal",
    "pos_epoch",
    "endpoint",
    "delivery",
    "endpoint_secret",
    "delivery_attempt",
    "alert_cursor",
    "alert",
    "feed_reader",
    "connector",
    "connector_order",
    "connector_run",
    "connector_value",
)
"""All tables, each after those that it references."""

FUNCTIONS = ("refuse_change", "refuse_stock", "offers_of")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    _idempotency()
    _outbox()
    _catalog()
    _customers()
    _conflicts()
    _access()
    _pricing()
    _inventory()
    _stored_value()
    _cart()
    _orders()
    _fulfillment()
    _checkout()
    _pos()
    _webhooks()
    _alerts()
    _connectors()
    for name in FUNCTIONS:
        apply_sql(name, version=1)
    for name in ("stock_movement_append_only", "order_event_append_only"):
        apply_sql(name, version=1)
    # The rows that these tables always have.
    op.execute("INSERT INTO feed DEFAULT VALUES")
    op.execute("INSERT INTO alert_cursor (position) SELECT position FROM feed")


def _idempotency() -> None:
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
    op.create_index(op.f("ix_idempotency_key_created_at"), "idempotency_key", ["created_at"])


def _outbox() -> None:
    op.create_table(
        "feed",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("position", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("forgotten", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("single", name=op.f("ck_feed_single")),
        sa.PrimaryKeyConstraint("single", name=op.f("pk_feed")),
    )
    op.create_table(
        "outbox_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("position", sa.BigInteger()),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_event")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index("ix_outbox_event_due", "outbox_event", ["id"], postgresql_where=sa.text("position IS NULL"))
    op.create_index(
        "uq_outbox_event_position",
        "outbox_event",
        ["position"],
        unique=True,
        postgresql_where=sa.text("position IS NOT NULL"),
    )
    op.create_index("uq_outbox_event_subject_version", "outbox_event", ["subject", "version"], unique=True)


def _catalog() -> None:
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
        sa.Column("capture", sa.Text(), server_default=sa.text("'AT_CHECKOUT'"), nullable=False),
        sa.Column("split_limit", sa.BigInteger()),
        sa.Column("return_window_days", sa.BigInteger()),
        sa.Column("return_approval_minor", sa.BigInteger()),
        sa.Column("points_per_unit", sa.Numeric(precision=9, scale=4), server_default=sa.text("0"), nullable=False),
        sa.Column("point_value_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("issuer", postgresql.JSONB(astext_type=sa.Text())),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel")),
        sa.UniqueConstraint("code", name=op.f("uq_channel_code")),
    )
    op.create_table(
        "location",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("offers_pickup", sa.Boolean(), nullable=False),
        sa.Column("ships_orders", sa.Boolean(), nullable=False),
        sa.Column("region", sa.Text()),
        sa.Column("latitude", sa.Double()),
        sa.Column("longitude", sa.Double()),
        sa.Column("address", sa.Text()),
        sa.Column("phone", sa.Text()),
        sa.Column("pickup_ready_minutes", sa.BigInteger(), server_default=sa.text("60"), nullable=False),
        sa.Column("pickup_hold_days", sa.BigInteger(), server_default=sa.text("7"), nullable=False),
        sa.Column("opening_hours", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_location")),
        sa.UniqueConstraint("code", name=op.f("uq_location_code")),
    )
    op.create_table(
        "product",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("brand", sa.Text()),
        sa.Column("category", sa.Text()),
        sa.Column(
            "words",
            sa.Text(),
            sa.Computed("lower(name || ' ' || coalesce(brand, '') || ' ' || coalesce(category, ''))", persisted=True),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
        sa.UniqueConstraint("handle", name=op.f("uq_product_handle")),
    )
    op.create_index("ix_product_category", "product", ["category", "id"])
    op.create_index(
        "ix_product_words", "product", ["words"], postgresql_using="gin", postgresql_ops={"words": "gin_trgm_ops"}
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
    op.create_index(op.f("ix_channel_location_location_id"), "channel_location", ["location_id"])
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
        sa.Column("barcode", sa.Text()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tax_class", sa.Text(), nullable=False),
        sa.Column("discontinued", sa.Boolean(), nullable=False),
        sa.Column("events", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("barcode"), "="), deferrable="True", using="btree", name="ex_variant_barcode"
        ),
        sa.CheckConstraint("events >= 0", name=op.f("ck_variant_events")),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name=op.f("fk_variant_product_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_variant")),
        sa.UniqueConstraint("sku", name=op.f("uq_variant_sku")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(op.f("ix_variant_product_id_id"), "variant", ["product_id", "id"])


def _customers() -> None:
    op.create_table(
        "customer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("loyalty_card", sa.Text()),
        sa.Column("email", sa.Text()),
        sa.Column("phone", sa.Text()),
        sa.Column("name", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("num_nonnulls(loyalty_card, email, phone) > 0", name=op.f("ck_customer_identified")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer")),
        sa.UniqueConstraint("email", name=op.f("uq_customer_email")),
        sa.UniqueConstraint("loyalty_card", name=op.f("uq_customer_loyalty_card")),
        sa.UniqueConstraint("phone", name=op.f("uq_customer_phone")),
    )


def _conflicts() -> None:
    op.create_table(
        "conflict",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'OPEN'"), nullable=False),
        sa.Column("key", sa.Text()),
        sa.Column("location_id", sa.BigInteger()),
        sa.Column("variant_id", sa.BigInteger()),
        sa.Column("order_id", sa.Uuid()),
        sa.Column("shortage_id", sa.BigInteger()),
        sa.Column("terminal", sa.Text()),
        sa.Column("quantity", sa.BigInteger()),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("problems", sa.JSON()),
        sa.Column("event", sa.JSON()),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True)),
        sa.Column("resolved_by", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conflict")),
    )
    op.create_index("ix_conflict_location", "conflict", ["location_id", "id"])
    op.create_index("ix_conflict_open", "conflict", ["id"], postgresql_where=sa.text("status = 'OPEN'"))
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


def _access() -> None:
    op.create_table(
        "handoff_guess",
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("guesses", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("caller", name=op.f("pk_handoff_guess")),
    )
    op.create_table(
        "access_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("location_id", sa.BigInteger()),
        sa.Column("channel_id", sa.BigInteger()),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("scopes", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
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
        "ix_access_key_expires_at", "access_key", ["expires_at"], postgresql_where=sa.text("expires_at IS NOT NULL")
    )
    op.create_index(
        "ix_access_key_location_id",
        "access_key",
        ["location_id", "id"],
        postgresql_where=sa.text("location_id IS NOT NULL"),
    )


def _pricing() -> None:
    op.create_table(
        "promotion",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.Column("percent", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text()),
        sa.Column("buy_units", sa.BigInteger(), nullable=False),
        sa.Column("get_units", sa.BigInteger(), nullable=False),
        sa.Column("categories", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("brands", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("names_variants", sa.Boolean(), nullable=False),
        sa.Column("reward_categories", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("reward_brands", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("reward_names_variants", sa.Boolean(), nullable=False),
        sa.Column("min_minor", sa.BigInteger(), nullable=False),
        sa.Column("min_units", sa.BigInteger(), nullable=False),
        sa.Column("max_minor", sa.BigInteger()),
        sa.Column("max_units", sa.BigInteger()),
        sa.Column("channel_ids", sa.ARRAY(sa.BigInteger())),
        sa.Column("valid_from", sa.DateTime(timezone=True)),
        sa.Column("valid_to", sa.DateTime(timezone=True)),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("stacking", sa.Text(), nullable=False),
        sa.Column("stacking_group", sa.Text()),
        sa.Column("needs_coupon", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "(stacking = 'EXCLUSIVE_IN_GROUP') = (stacking_group IS NOT NULL)", name=op.f("ck_promotion_stacking")
        ),
        sa.CheckConstraint(
            "amount_minor >= 0 AND min_minor >= 0 AND min_units >= 0 AND max_minor > 0 AND max_units > 0",
            name=op.f("ck_promotion_amounts"),
        ),
        sa.CheckConstraint("percent BETWEEN 0 AND 10000", name=op.f("ck_promotion_percent")),
        sa.CheckConstraint("valid_to > valid_from", name=op.f("ck_promotion_span")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotion")),
        sa.UniqueConstraint("code", name=op.f("uq_promotion_code")),
    )
    op.create_index(
        "ix_promotion_automatic", "promotion", ["id"], postgresql_where=sa.text("active AND NOT needs_coupon")
    )
    op.create_table(
        "coupon",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("promotion_id", sa.BigInteger(), nullable=False),
        sa.Column("usage_limit", sa.BigInteger()),
        sa.Column("per_customer_limit", sa.BigInteger()),
        sa.Column("used", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.CheckConstraint("used BETWEEN 0 AND coalesce(usage_limit, used)", name=op.f("ck_coupon_used")),
        sa.ForeignKeyConstraint(["promotion_id"], ["promotion.id"], name=op.f("fk_coupon_promotion_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon")),
        sa.UniqueConstraint("code", name=op.f("uq_coupon_code")),
    )
    op.create_index(op.f("ix_coupon_promotion_id_id"), "coupon", ["promotion_id", "id"])
    op.create_table(
        "coupon_redemption",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("coupon_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("reversed_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupon.id"], name=op.f("fk_coupon_redemption_coupon_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_coupon_redemption_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon_redemption")),
        sa.UniqueConstraint("order_id", "coupon_id", name=op.f("uq_coupon_redemption_order_id_coupon_id")),
    )
    op.create_index(
        "ix_coupon_redemption_customer",
        "coupon_redemption",
        ["coupon_id", "customer_id"],
        postgresql_where=sa.text("reversed_at IS NULL"),
    )
    op.create_table(
        "price",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", sa.BigInteger()),
        sa.Column("location_id", sa.BigInteger()),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True)),
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
    op.create_index(op.f("ix_price_channel_id"), "price", ["channel_id"])
    op.create_table(
        "promotion_item",
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("promotion_id", sa.BigInteger(), nullable=False),
        sa.Column("reward", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["promotion_id"], ["promotion.id"], name=op.f("fk_promotion_item_promotion_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name=op.f("fk_promotion_item_variant_id")),
        sa.PrimaryKeyConstraint("variant_id", "promotion_id", "reward", name=op.f("pk_promotion_item")),
    )
    op.create_index(
        op.f("ix_promotion_item_promotion_id_reward_variant_id"),
        "promotion_item",
        ["promotion_id", "reward", "variant_id"],
    )


def _inventory() -> None:
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
    op.create_index("ix_hold_level", "hold", ["variant_id", "location_id"], postgresql_where=sa.text("status = 'HELD'"))
    op.create_index("ix_hold_live", "hold", ["expires_at"], postgresql_where=sa.text("status = 'HELD'"))
    op.create_index(op.f("ix_hold_owner_id"), "hold", ["owner_id"])
    op.create_table(
        "shortage",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("settled", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reference", sa.Text()),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("quantity > 0 AND settled BETWEEN 0 AND quantity", name=op.f("ck_shortage_quantity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shortage")),
    )
    op.create_index(
        "ix_shortage_open",
        "shortage",
        ["variant_id", "location_id", "id"],
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
        sa.Column("incoming_delta", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.Text()),
        sa.Column("reference", sa.Text()),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_movement")),
    )
    op.create_index(
        op.f("ix_stock_movement_variant_id_location_id_recorded_at_id"),
        "stock_movement",
        ["variant_id", "location_id", "recorded_at", "id"],
    )
    op.create_table(
        "stock_unavailable",
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("variant_id", "location_id", "state", name=op.f("pk_stock_unavailable")),
    )
    op.create_table(
        "stock_transfer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("from_location_id", sa.BigInteger(), nullable=False),
        sa.Column("to_location_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'DRAFT'"), nullable=False),
        sa.Column("reference", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("shipped_at", sa.DateTime(timezone=True)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("from_location_id <> to_location_id", name=op.f("ck_stock_transfer_locations")),
        sa.ForeignKeyConstraint(["from_location_id"], ["location.id"], name=op.f("fk_stock_transfer_from_location_id")),
        sa.ForeignKeyConstraint(["to_location_id"], ["location.id"], name=op.f("fk_stock_transfer_to_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_transfer")),
    )
    op.create_index(op.f("ix_stock_transfer_from_location_id_id"), "stock_transfer", ["from_location_id", "id"])
    op.create_index(op.f("ix_stock_transfer_to_location_id_id"), "stock_transfer", ["to_location_id", "id"])
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
        sa.Column("counted_at", sa.DateTime(timezone=True)),
        sa.Column("counted_by", sa.Text()),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "committed >= 0 AND reserved >= 0 AND unavailable >= 0 AND safety_stock >= 0",
            name=op.f("ck_stock_level_signs"),
        ),
        sa.CheckConstraint(
            "shortage = greatest(0, committed + reserved + unavailable - on_hand)", name=op.f("ck_stock_level_shortage")
        ),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_stock_level_location_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name=op.f("fk_stock_level_variant_id")),
        sa.PrimaryKeyConstraint("variant_id", "location_id", name=op.f("pk_stock_level")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(op.f("ix_stock_level_location_id_variant_id"), "stock_level", ["location_id", "variant_id"])
    op.create_index(
        "ix_stock_level_short", "stock_level", ["variant_id", "location_id"], postgresql_where=sa.text("shortage > 0")
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
        sa.Column("discrepancy", sa.Text()),
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


def _stored_value() -> None:
    op.create_table(
        "gift_card",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("last4", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("blocked_at", sa.DateTime(timezone=True)),
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
        sa.Column("order_id", sa.Uuid()),
        sa.Column("operation_id", sa.Uuid()),
        sa.Column("reference", sa.Text()),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "CASE kind WHEN 'REDEEM' THEN amount_minor < 0 WHEN 'ADJUST' THEN amount_minor <> 0 ELSE amount_minor > 0 END",
            name=op.f("ck_gift_card_entry_amount"),
        ),
        sa.CheckConstraint(
            "kind IN ('ISSUE', 'ADJUST') OR order_id IS NOT NULL", name=op.f("ck_gift_card_entry_order")
        ),
        sa.ForeignKeyConstraint(["card_id"], ["gift_card.id"], name=op.f("fk_gift_card_entry_card_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gift_card_entry")),
        sa.UniqueConstraint("operation_id", name=op.f("uq_gift_card_entry_operation_id")),
    )
    op.create_index(op.f("ix_gift_card_entry_card_id_id"), "gift_card_entry", ["card_id", "id"])
    op.create_index(
        "ix_gift_card_entry_order", "gift_card_entry", ["order_id"], postgresql_where=sa.text("order_id IS NOT NULL")
    )
    op.create_index(
        "uq_gift_card_entry_give_back",
        "gift_card_entry",
        ["order_id", "card_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'GIVE_BACK'"),
    )
    op.create_table(
        "points_account",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("balance", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("owed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("balance = 0 OR owed = 0", name=op.f("ck_points_account_owed")),
        sa.CheckConstraint("balance >= 0 AND owed >= 0", name=op.f("ck_points_account_balance")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_points_account_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_points_account")),
    )
    op.create_table(
        "points_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger()),
        sa.Column("order_id", sa.Uuid()),
        sa.Column("operation_id", sa.Uuid()),
        sa.Column("reference", sa.Text()),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind = 'ADJUST' OR order_id IS NOT NULL", name=op.f("ck_points_entry_order")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_points_entry_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_points_entry")),
        sa.UniqueConstraint("operation_id", name=op.f("uq_points_entry_operation_id")),
    )
    op.create_index(op.f("ix_points_entry_customer_id_id"), "points_entry", ["customer_id", "id"])
    op.create_index(
        "ix_points_entry_order", "points_entry", ["order_id"], postgresql_where=sa.text("order_id IS NOT NULL")
    )
    op.create_index(
        "uq_points_entry_earn", "points_entry", ["order_id"], unique=True, postgresql_where=sa.text("kind = 'EARN'")
    )
    op.create_index(
        "uq_points_entry_give_back",
        "points_entry",
        ["order_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'GIVE_BACK'"),
    )


def _cart() -> None:
    op.create_table(
        "cart",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'ACTIVE'"), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("events", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("priced_in_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.BigInteger()),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("last_changed_by_id", sa.BigInteger()),
        sa.Column("merged_into_id", sa.Uuid()),
        sa.Column("checkout_id", sa.Uuid()),
        sa.Column("address", postgresql.JSONB(astext_type=sa.Text())),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_cart_channel_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_cart_customer_id")),
        sa.ForeignKeyConstraint(["last_changed_by_id"], ["channel.id"], name=op.f("fk_cart_last_changed_by_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_cart_location_id")),
        sa.ForeignKeyConstraint(["merged_into_id"], ["cart.id"], name=op.f("fk_cart_merged_into_id")),
        sa.ForeignKeyConstraint(["priced_in_id"], ["channel.id"], name=op.f("fk_cart_priced_in_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cart")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index("ix_cart_customer_id", "cart", ["customer_id", "updated_at"])
    op.create_index("ix_cart_stale", "cart", ["updated_at"], postgresql_where=sa.text("status = 'ACTIVE'"))
    op.create_index(
        "uq_cart_active_customer", "cart", ["customer_id"], unique=True, postgresql_where=sa.text("status = 'ACTIVE'")
    )
    op.create_table(
        "cart_coupon",
        sa.Column("cart_id", sa.Uuid(), nullable=False),
        sa.Column("coupon_id", sa.BigInteger(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["cart_id"], ["cart.id"], name=op.f("fk_cart_coupon_cart_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupon.id"], name=op.f("fk_cart_coupon_coupon_id")),
        sa.PrimaryKeyConstraint("cart_id", "coupon_id", name=op.f("pk_cart_coupon")),
    )
    op.create_table(
        "cart_line",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("cart_id", sa.Uuid(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("chosen", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("location_id", sa.BigInteger()),
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
        "handoff",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("cart_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.Column("used_by", sa.Text()),
        sa.ForeignKeyConstraint(["cart_id"], ["cart.id"], name=op.f("fk_handoff_cart_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_handoff")),
    )
    op.create_index(op.f("ix_handoff_cart_id"), "handoff", ["cart_id"])


def _orders() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("order_number", start=100_001)))
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), server_default=sa.text("nextval('order_number')::text"), nullable=False),
        sa.Column("cart_id", sa.Uuid()),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("cart_channel_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.BigInteger()),
        sa.Column("customer_id", sa.Uuid()),
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
        sa.Column("email", sa.Text()),
        sa.Column("phone", sa.Text()),
        sa.Column("address", postgresql.JSONB(astext_type=sa.Text())),
        sa.Column("receipt", sa.Text()),
        sa.Column("exchange_of", sa.Uuid()),
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
        sa.ForeignKeyConstraint(["exchange_of"], ["orders.id"], name=op.f("fk_orders_exchange_of")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_orders_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("cart_id", name=op.f("uq_orders_cart_id")),
        sa.UniqueConstraint("number", name=op.f("uq_orders_number")),
    )
    op.create_index("ix_orders_customer_id", "orders", ["customer_id", "placed_at"])
    op.create_index("ix_orders_email", "orders", ["email"], postgresql_where=sa.text("email IS NOT NULL"))
    op.create_index("ix_orders_phone", "orders", ["phone"], postgresql_where=sa.text("phone IS NOT NULL"))
    op.create_index("ix_orders_placed_at", "orders", ["placed_at", "id"])
    op.create_index("ix_orders_receipt", "orders", ["receipt"], postgresql_where=sa.text("receipt IS NOT NULL"))
    op.create_table(
        "order_event",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("channel_id", sa.BigInteger()),
        sa.Column("actor", sa.Text()),
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
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_line")),
    )
    op.create_index(op.f("ix_order_line_order_id_position"), "order_line", ["order_id", "position"])
    op.create_table(
        "order_promotion",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("promotion", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("coupon", sa.Text()),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_promotion_order_id")),
        sa.PrimaryKeyConstraint("order_id", "position", name=op.f("pk_order_promotion")),
    )
    op.create_table(
        "order_return",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid()),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("refund_minor", sa.BigInteger(), nullable=False),
        sa.Column("receipt", sa.Text()),
        sa.Column("original_receipt", sa.Text()),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("exchange_order_id", sa.Uuid()),
        sa.Column("note", sa.Text()),
        sa.Column("actor", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("refund_minor >= 0", name=op.f("ck_order_return_refund")),
        sa.ForeignKeyConstraint(["exchange_order_id"], ["orders.id"], name=op.f("fk_order_return_exchange_order_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_order_return_location_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_return_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_return")),
    )
    op.create_index(op.f("ix_order_return_order_id"), "order_return", ["order_id"])
    op.create_index(
        "ix_order_return_waiting",
        "order_return",
        ["original_receipt"],
        postgresql_where=sa.text("order_id IS NULL AND original_receipt IS NOT NULL"),
    )
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
        sa.Column("voided_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("tendered_minor", sa.BigInteger()),
        sa.Column("reference", sa.Text()),
        sa.Column("key", sa.Text()),
        sa.Column("capture_once", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "captured_minor >= 0 AND voided_minor >= 0 AND captured_minor + voided_minor <= amount_minor",
            name=op.f("ck_payment_captured"),
        ),
        sa.CheckConstraint("refunded_minor BETWEEN 0 AND captured_minor", name=op.f("ck_payment_refunded")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_payment_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
    )
    op.create_index(op.f("ix_payment_order_id"), "payment", ["order_id"])
    op.create_table(
        "order_return_line",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("order_line_id", sa.Uuid()),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("restocked", sa.Boolean(), nullable=False),
        sa.Column("condition", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("refund_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_order_return_line_quantity")),
        sa.ForeignKeyConstraint(["order_line_id"], ["order_line.id"], name=op.f("fk_order_return_line_order_line_id")),
        sa.ForeignKeyConstraint(["return_id"], ["order_return.id"], name=op.f("fk_order_return_line_return_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name=op.f("fk_order_return_line_variant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_return_line")),
    )
    op.create_index(op.f("ix_order_return_line_return_id"), "order_return_line", ["return_id"])
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
        sa.Column("return_id", sa.Uuid()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'PENDING'"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text()),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payment_operation_amount")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_payment_operation_order_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_payment_operation_payment_id")),
        sa.ForeignKeyConstraint(["return_id"], ["order_return.id"], name=op.f("fk_payment_operation_return_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_operation")),
    )
    op.create_index(
        "ix_payment_operation_due", "payment_operation", ["next_at"], postgresql_where=sa.text("status = 'PENDING'")
    )
    op.create_index(op.f("ix_payment_operation_order_id"), "payment_operation", ["order_id"])
    op.create_index(op.f("ix_payment_operation_payment_id"), "payment_operation", ["payment_id"])


def _fulfillment() -> None:
    op.create_table(
        "fulfillment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("tracking", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("pickup_code", sa.Text()),
        sa.Column("ready_by", sa.DateTime(timezone=True)),
        sa.Column("hold_until", sa.DateTime(timezone=True)),
        sa.Column("sourcing", postgresql.JSONB(astext_type=sa.Text())),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_fulfillment_location_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_fulfillment_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fulfillment")),
    )
    op.create_index(
        "ix_fulfillment_open",
        "fulfillment",
        ["location_id", "id"],
        postgresql_where=sa.text("status IN ('ALLOCATED', 'PICKED', 'READY_FOR_PICKUP')"),
    )
    op.create_index(op.f("ix_fulfillment_order_id"), "fulfillment", ["order_id"])
    op.create_index(
        "ix_fulfillment_pickup_term",
        "fulfillment",
        ["hold_until"],
        postgresql_where=sa.text("status = 'READY_FOR_PICKUP'"),
    )
    op.create_index("ix_fulfillment_waiting", "fulfillment", ["id"], postgresql_where=sa.text("status = 'BACKORDERED'"))
    op.create_table(
        "fulfillment_line",
        sa.Column("fulfillment_id", sa.Uuid(), nullable=False),
        sa.Column("order_line_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_fulfillment_line_quantity")),
        sa.ForeignKeyConstraint(
            ["fulfillment_id"], ["fulfillment.id"], name=op.f("fk_fulfillment_line_fulfillment_id")
        ),
        sa.PrimaryKeyConstraint("fulfillment_id", "order_line_id", name=op.f("pk_fulfillment_line")),
    )


def _checkout() -> None:
    op.create_table(
        "provider_event",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("charge", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("provider", "event", name=op.f("pk_provider_event")),
    )
    op.create_index(op.f("ix_provider_event_charge"), "provider_event", ["charge"])
    op.create_table(
        "checkout_attempt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("cart_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'PENDING'"), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("action", postgresql.JSONB(astext_type=sa.Text())),
        sa.Column("draft", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["cart_id"], ["cart.id"], name=op.f("fk_checkout_attempt_cart_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkout_attempt")),
    )
    op.create_index(
        "ix_checkout_attempt_due",
        "checkout_attempt",
        ["next_at"],
        postgresql_where=sa.text("status IN ('PENDING', 'ENDING')"),
    )
    op.create_index(
        "uq_checkout_attempt_cart",
        "checkout_attempt",
        ["cart_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('PENDING', 'ENDING')"),
    )


def _pos() -> None:
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
        sa.CheckConstraint("octet_length(digest) = 33", name=op.f("ck_pos_event_digest")),
        sa.PrimaryKeyConstraint("terminal_id", "epoch", "sequence", name=op.f("pk_pos_event")),
    )
    op.create_index("uq_pos_event_event_id", "pos_event", ["terminal_id", "event_id"], unique=True)
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
        "pos_epoch",
        sa.Column("terminal_id", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("seen", postgresql.INT8MULTIRANGE(), nullable=False),
        sa.CheckConstraint("epoch > 0", name=op.f("ck_pos_epoch_epoch")),
        sa.ForeignKeyConstraint(["terminal_id"], ["pos_terminal.id"], name=op.f("fk_pos_epoch_terminal_id")),
        sa.PrimaryKeyConstraint("terminal_id", "epoch", name=op.f("pk_pos_epoch")),
    )


def _webhooks() -> None:
    op.create_table(
        "endpoint",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("types", sa.ARRAY(sa.Text())),
        sa.Column("channel_id", sa.BigInteger()),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'ACTIVE'"), nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True)),
        sa.Column("next_at", sa.DateTime(timezone=True)),
        sa.Column("delivered_at", sa.DateTime(timezone=True)),
        sa.Column("paused_at", sa.DateTime(timezone=True)),
        sa.Column("paused_reason", sa.Text()),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("events", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("(status = 'PAUSED') = (paused_at IS NOT NULL)", name=op.f("ck_endpoint_paused")),
        sa.CheckConstraint("status IN ('ACTIVE', 'RETRYING', 'PAUSED')", name=op.f("ck_endpoint_status")),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_endpoint_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoint")),
    )
    op.create_index("ix_endpoint_live", "endpoint", ["id"], postgresql_where=sa.text("deleted_at IS NULL"))
    op.create_table(
        "delivery",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("first_version", sa.BigInteger(), nullable=False),
        sa.Column("event_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'PENDING'"), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True)),
        sa.Column("response_code", sa.BigInteger()),
        sa.Column("problem", sa.Text()),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("status IN ('PENDING', 'DELIVERED', 'FAILED')", name=op.f("ck_delivery_status")),
        sa.CheckConstraint("first_version BETWEEN 1 AND version", name=op.f("ck_delivery_versions")),
        sa.ForeignKeyConstraint(["endpoint_id"], ["endpoint.id"], name=op.f("fk_delivery_endpoint_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
    )
    op.create_index("ix_delivery_ended_at", "delivery", ["ended_at"], postgresql_where=sa.text("status <> 'PENDING'"))
    op.create_index(
        "ix_delivery_failed", "delivery", ["endpoint_id", "position"], postgresql_where=sa.text("status = 'FAILED'")
    )
    op.create_index(
        "ix_delivery_pending", "delivery", ["endpoint_id", "position"], postgresql_where=sa.text("status = 'PENDING'")
    )
    op.create_index("uq_delivery_endpoint_id_position", "delivery", ["endpoint_id", "position"], unique=True)
    op.create_table(
        "endpoint_secret",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["endpoint_id"], ["endpoint.id"], name=op.f("fk_endpoint_secret_endpoint_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoint_secret")),
    )
    op.create_index("ix_endpoint_secret_endpoint_id", "endpoint_secret", ["endpoint_id"])
    op.create_table(
        "delivery_attempt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("took_ms", sa.BigInteger(), nullable=False),
        sa.Column("response_code", sa.BigInteger()),
        sa.Column("problem", sa.Text()),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["delivery.id"], name=op.f("fk_delivery_attempt_delivery_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_attempt")),
    )
    op.create_index("ix_delivery_attempt_delivery_id", "delivery_attempt", ["delivery_id"])


def _alerts() -> None:
    op.create_table(
        "alert_cursor",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("single", name=op.f("ck_alert_cursor_single")),
        sa.PrimaryKeyConstraint("single", name=op.f("pk_alert_cursor")),
    )
    op.create_table(
        "alert",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("location_id", sa.BigInteger()),
        sa.Column("channel_id", sa.BigInteger()),
        sa.Column("value", sa.Float(precision=53), nullable=False),
        sa.Column("threshold", sa.Float(precision=53), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("calm_since", sa.DateTime(timezone=True)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True)),
        sa.Column("acknowledged_by", sa.Text()),
        sa.Column("events", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name=op.f("ck_alert_acknowledged")),
        sa.CheckConstraint("events = 1 + (closed_at IS NOT NULL)::int", name=op.f("ck_alert_events")),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_alert_channel_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_alert_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
    )
    op.create_index("ix_alert_location_id", "alert", ["location_id", "id"])
    op.create_index(
        "uq_alert_open", "alert", ["kind", "subject"], unique=True, postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_table(
        "feed_reader",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["access_key.id"], name=op.f("fk_feed_reader_key_id")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_feed_reader")),
    )


def _connectors() -> None:
    op.create_table(
        "connector",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("url", sa.Text()),
        sa.Column("token", sa.Text()),
        sa.Column("every_s", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'ACTIVE'"), nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("problem", sa.Text()),
        sa.Column("asked", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ran_at", sa.DateTime(timezone=True)),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("prices_at", sa.DateTime(timezone=True)),
        sa.Column("compared_at", sa.DateTime(timezone=True)),
        sa.Column("location_ids", sa.ARRAY(sa.BigInteger())),
        sa.Column("batches", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("order_cursor", sa.Text()),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("(kind = 'REST') = (url IS NOT NULL)", name=op.f("ck_connector_url")),
        sa.CheckConstraint("kind IN ('FILE', 'REST')", name=op.f("ck_connector_kind")),
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
    op.create_table(
        "connector_order",
        sa.Column("connector_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'NEW'"), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text())),
        sa.Column("cart_id", sa.Uuid()),
        sa.Column("code", sa.Text()),
        sa.Column("message", sa.Text()),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("(status = 'PLACED') = (cart_id IS NOT NULL)", name=op.f("ck_connector_order_placed")),
        sa.CheckConstraint(
            "(status IN ('NEW', 'WAITING')) = (document IS NOT NULL)", name=op.f("ck_connector_order_document")
        ),
        sa.CheckConstraint("status IN ('NEW', 'WAITING', 'PLACED', 'REFUSED')", name=op.f("ck_connector_order_status")),
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
    op.create_table(
        "connector_run",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("connector_id", sa.Uuid(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("seen", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("sent", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("accepted", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("orders_read", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("orders_placed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("refused_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("refused", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True)),
        sa.Column("problem", sa.Text()),
        sa.ForeignKeyConstraint(["connector_id"], ["connector.id"], name=op.f("fk_connector_run_connector_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connector_run")),
    )
    op.create_index("ix_connector_run_connector_id", "connector_run", ["connector_id", "id"])
    op.create_table(
        "connector_value",
        sa.Column("connector_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.BigInteger()),
        sa.Column("told_at", sa.DateTime(timezone=True)),
        sa.Column("since", sa.DateTime(timezone=True)),
        sa.Column("doubt", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("refusals", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("refused_code", sa.Text()),
        sa.Column("refused_message", sa.Text()),
        sa.Column("next_at", sa.DateTime(timezone=True)),
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


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in reversed(TABLES):
        op.drop_table(table)
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DROP SEQUENCE order_number")
