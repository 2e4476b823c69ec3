"""Tables of the catalog, the master data that other tables refer to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base


class Channel(Base):
    """A sales channel with its currency, tax and terms.

    `split_limit`: the largest number of shipments of an order. `return_window_days`: days after the goods were handed
    over or shipped; `return_approval_minor`: refunds above it need the approval of staff; null: no limit.
    `points_per_unit`: loyalty points earned for a major unit of money; `point_value_minor`: what a point pays, 0 if
    points pay nothing. `issuer`: the issuer of its receipts.
    """

    __tablename__ = "channel"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    kind: Mapped[str]
    currency: Mapped[str]
    prices_include_tax: Mapped[bool]
    tax_rounding: Mapped[str]
    shipping_price_minor: Mapped[int]
    capture: Mapped[str] = mapped_column(server_default=text("'AT_CHECKOUT'"))
    split_limit: Mapped[int | None]
    return_window_days: Mapped[int | None]
    return_approval_minor: Mapped[int | None]
    points_per_unit: Mapped[Decimal] = mapped_column(Numeric(9, 4), server_default=text("0"))
    point_value_minor: Mapped[int] = mapped_column(server_default=text("0"))
    issuer: Mapped[Any | None] = mapped_column(JSONB)


class Location(Base):
    """A store or a warehouse. Pickups are ready after `pickup_ready_minutes` and kept for `pickup_hold_days`.

    `opening_hours`: such as "09:00-21:00", in local time; null: the hub's setting.
    """

    __tablename__ = "location"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    kind: Mapped[str]
    timezone: Mapped[str]
    offers_pickup: Mapped[bool]
    ships_orders: Mapped[bool]
    region: Mapped[str | None]
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    address: Mapped[str | None]
    phone: Mapped[str | None]
    pickup_ready_minutes: Mapped[int] = mapped_column(server_default=text("60"))
    pickup_hold_days: Mapped[int] = mapped_column(server_default=text("7"))
    opening_hours: Mapped[str | None]


class ChannelLocation(Base):
    """A location whose stock a channel sells. `position` 0 is preferred."""

    __tablename__ = "channel_location"
    __table_args__ = (Index(None, "location_id"),)

    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.id"), primary_key=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"), primary_key=True)
    position: Mapped[int]


class TaxRate(Base):
    """The rate of a tax class in a channel: 0.08 for 8 %."""

    __tablename__ = "tax_rate"

    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.id"), primary_key=True)
    tax_class: Mapped[str] = mapped_column(primary_key=True)
    rate: Mapped[Decimal] = mapped_column(Numeric(7, 6))


class Product(Base):
    """A product that customers browse. They buy one of its variants."""

    __tablename__ = "product"
    __table_args__ = (
        Index("ix_product_category", "category", "id"),
        Index("ix_product_words", "words", postgresql_using="gin", postgresql_ops={"words": "gin_trgm_ops"}),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    handle: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    description: Mapped[str | None]
    brand: Mapped[str | None]
    category: Mapped[str | None]
    words: Mapped[str] = mapped_column(
        Computed("lower(name || ' ' || coalesce(brand, '') || ' ' || coalesce(category, ''))", persisted=True)
    )


class Variant(Base):
    """One SKU. `events`: the number of its events."""

    __tablename__ = "variant"
    __table_args__ = (
        CheckConstraint("events >= 0", name="events"),
        # Not a unique constraint: a key would make changes of a variant wait for carts that add it. It is checked
        # after each statement, so that two variants can exchange their barcodes.
        ExcludeConstraint(("barcode", "="), name="ex_variant_barcode", using="btree", deferrable=True),
        Index(None, "product_id", "id"),
        # Room on each page, so that frequent changes of rows touch no index.
        {"postgresql_with": {"fillfactor": 80}},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    sku: Mapped[str] = mapped_column(unique=True)
    barcode: Mapped[str | None]
    name: Mapped[str]
    tax_class: Mapped[str]
    discontinued: Mapped[bool]
    events: Mapped[int] = mapped_column(server_default=text("0"))
