"""Promotions, coupons and their redemptions.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# A function, so that a hub without promotions opens none of these tables when it reads a cart.
OFFERS_OF = """
    CREATE FUNCTION offers_of(
        in_cart uuid, in_customer uuid, in_counted boolean, in_channel bigint, in_currency text, in_variants bigint[]
    ) RETURNS json LANGUAGE plpgsql STABLE AS $$
    BEGIN
        RETURN (
            WITH offered AS (
                SELECT m, NULL::json AS coupon FROM promotion m
                WHERE m.active AND NOT m.needs_coupon AND (m.valid_from IS NULL OR m.valid_from <= now())
                    AND (m.valid_to IS NULL OR m.valid_to > now()) AND (m.currency IS NULL OR m.currency = in_currency)
                    AND (m.channel_ids IS NULL OR in_channel = ANY(m.channel_ids))
                UNION ALL
                SELECT m, json_build_object('id', u.id, 'code', u.code, 'active', u.active,
                    'used_up', NOT in_counted AND (coalesce(u.used >= u.usage_limit, false)
                        OR coalesce(u.per_customer_limit <= (SELECT count(*) FROM coupon_redemption r
                            WHERE r.coupon_id = u.id AND r.customer_id = in_customer AND r.reversed_at IS NULL), false)),
                    'needs_customer', u.per_customer_limit IS NOT NULL AND in_customer IS NULL)
                FROM cart_coupon k JOIN coupon u ON u.id = k.coupon_id JOIN promotion m ON m.id = u.promotion_id
                WHERE k.cart_id = in_cart
            ), named AS (
                SELECT i.variant_id, json_agg(json_build_array(i.promotion_id, i.reward)) AS by FROM promotion_item i
                WHERE i.variant_id = ANY(in_variants) AND i.promotion_id IN (SELECT (m).id FROM offered) GROUP BY 1
            )
            SELECT json_build_object(
                'at', now(),
                'offers', (SELECT json_agg(json_build_object('promotion', m, 'coupon', coupon)) FROM offered),
                'goods', (
                    SELECT json_agg(json_build_array(v.id, d.category, d.brand, n.by)) FROM variant v
                    JOIN product d ON d.id = v.product_id LEFT JOIN named n ON n.variant_id = v.id
                    WHERE v.id = ANY(in_variants)
                )
            ) WHERE EXISTS (SELECT FROM offered)
        );
    END $$
"""
"""What a cart is offered now: promotions that need no coupon, and those of the coupons that it holds; and what they know
its goods by. `in_counted`: this very cart has used its coupons, which are not used up for it then."""


def upgrade() -> None:
    op.create_table(
        "promotion",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.Column("percent", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
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
        sa.Column("max_minor", sa.BigInteger(), nullable=True),
        sa.Column("max_units", sa.BigInteger(), nullable=True),
        sa.Column("channel_ids", sa.ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("stacking", sa.Text(), nullable=False),
        sa.Column("stacking_group", sa.Text(), nullable=True),
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
        "ix_promotion_automatic",
        "promotion",
        ["id"],
        unique=False,
        postgresql_where=sa.text("active AND NOT needs_coupon"),
    )
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
        unique=False,
    )
    op.create_table(
        "coupon",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("promotion_id", sa.BigInteger(), nullable=False),
        sa.Column("usage_limit", sa.BigInteger(), nullable=True),
        sa.Column("per_customer_limit", sa.BigInteger(), nullable=True),
        sa.Column("used", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.CheckConstraint("used BETWEEN 0 AND coalesce(usage_limit, used)", name=op.f("ck_coupon_used")),
        sa.ForeignKeyConstraint(["promotion_id"], ["promotion.id"], name=op.f("fk_coupon_promotion_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon")),
        sa.UniqueConstraint("code", name=op.f("uq_coupon_code")),
    )
    op.create_index(op.f("ix_coupon_promotion_id_id"), "coupon", ["promotion_id", "id"], unique=False)
    op.create_table(
        "coupon_redemption",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("coupon_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupon.id"], name=op.f("fk_coupon_redemption_coupon_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_coupon_redemption_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon_redemption")),
        sa.UniqueConstraint("order_id", "coupon_id", name=op.f("uq_coupon_redemption_order_id_coupon_id")),
    )
    op.create_index(
        "ix_coupon_redemption_customer",
        "coupon_redemption",
        ["coupon_id", "customer_id"],
        unique=False,
        postgresql_where=sa.text("reversed_at IS NULL"),
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
    op.execute(OFFERS_OF)


def downgrade() -> None:
    op.execute("DROP FUNCTION offers_of")
    for table in ("cart_coupon", "coupon_redemption", "coupon", "promotion_item", "promotion"):
        op.drop_table(table)
