"""The tables of price lists, promotions and coupons."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base


class Price(Base):
    """A variant's price, for a channel, a location, both or everywhere, in a span of time.

    `valid_from` is -infinity where a price was given without a beginning.
    """

    __tablename__ = "price"
    __table_args__ = (
        UniqueConstraint(
            "variant_id",
            "channel_id",
            "location_id",
            "valid_from",
            name="uq_price_key",
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("amount_minor >= 0", name="amount"),
        CheckConstraint("valid_to > valid_from", name="span"),
        Index(None, "channel_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    channel_id: Mapped[int | None] = mapped_column(ForeignKey("channel.id"))
    location_id: Mapped[int | None] = mapped_column(ForeignKey("location.id"))
    amount_minor: Mapped[int]
    currency: Mapped[str]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]


class PromotionRow(Base):
    """A promotion; `pricing.promotions.Promotion` explains its columns.

    The variants that it lists are in `promotion_item`. `channel_ids` null: all channels.
    """

    __tablename__ = "promotion"
    __table_args__ = (
        CheckConstraint("valid_to > valid_from", name="span"),
        CheckConstraint("percent BETWEEN 0 AND 10000", name="percent"),
        CheckConstraint(
            "amount_minor >= 0 AND min_minor >= 0 AND min_units >= 0 AND max_minor > 0 AND max_units > 0",
            name="amounts",
        ),
        CheckConstraint("(stacking = 'EXCLUSIVE_IN_GROUP') = (stacking_group IS NOT NULL)", name="stacking"),
        Index("ix_promotion_automatic", "id", postgresql_where=text("active AND NOT needs_coupon")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    effect: Mapped[str]
    percent: Mapped[int]
    amount_minor: Mapped[int]
    currency: Mapped[str | None]
    buy_units: Mapped[int]
    get_units: Mapped[int]
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text))
    brands: Mapped[list[str]] = mapped_column(ARRAY(Text))
    names_variants: Mapped[bool]
    reward_categories: Mapped[list[str]] = mapped_column(ARRAY(Text))
    reward_brands: Mapped[list[str]] = mapped_column(ARRAY(Text))
    reward_names_variants: Mapped[bool]
    min_minor: Mapped[int]
    min_units: Mapped[int]
    max_minor: Mapped[int | None]
    max_units: Mapped[int | None]
    channel_ids: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    valid_from: Mapped[datetime | None]
    valid_to: Mapped[datetime | None]
    priority: Mapped[int]
    stacking: Mapped[str]
    stacking_group: Mapped[str | None]
    needs_coupon: Mapped[bool]
    active: Mapped[bool]


class PromotionItem(Base):
    """A variant listed by a promotion: as a qualifying item, or as a reward."""

    __tablename__ = "promotion_item"
    __table_args__ = (Index(None, "promotion_id", "reward", "variant_id"),)

    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"), primary_key=True)
    promotion_id: Mapped[int] = mapped_column(ForeignKey("promotion.id"), primary_key=True)
    reward: Mapped[bool] = mapped_column(primary_key=True)


class CouponRow(Base):
    """A code that asks for a promotion, in upper case. `used`: the number of its redemptions that were not reversed."""

    __tablename__ = "coupon"
    __table_args__ = (
        CheckConstraint("used BETWEEN 0 AND coalesce(usage_limit, used)", name="used"),
        Index(None, "promotion_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    promotion_id: Mapped[int] = mapped_column(ForeignKey("promotion.id"))
    usage_limit: Mapped[int | None]
    per_customer_limit: Mapped[int | None]
    used: Mapped[int] = mapped_column(server_default=text("0"))
    active: Mapped[bool]


class CouponRedemption(Base):
    """The use of a coupon by an order. `reversed_at`: the order was not placed, or was cancelled.

    There is no foreign key to the order: with a payment provider the order is written later, under the same id.
    """

    __tablename__ = "coupon_redemption"
    __table_args__ = (
        UniqueConstraint("order_id", "coupon_id"),
        Index(
            "ix_coupon_redemption_customer", "coupon_id", "customer_id", postgresql_where=text("reversed_at IS NULL")
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    coupon_id: Mapped[int] = mapped_column(ForeignKey("coupon.id"))
    order_id: Mapped[UUID]
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customer.id"))
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    reversed_at: Mapped[datetime | None]
