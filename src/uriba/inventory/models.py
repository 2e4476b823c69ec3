"""Tables of the ledger."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base


class StockLevel(Base):
    """One variant at one location, in units.

    on_hand: physically there. committed: promised to placed orders. reserved: held by carts that are paying.
    unavailable: damaged, on display, in inspection. safety_stock: kept back from all but the location's own tills.
    incoming: on its way here. shortage: promised units that are not there any more, not settled yet. version: counts
    the level's events. counted_at, counted_by: time and reference of the last count.
    """

    __tablename__ = "stock_level"
    __table_args__ = (
        CheckConstraint("committed >= 0 AND reserved >= 0 AND unavailable >= 0 AND safety_stock >= 0", name="signs"),
        CheckConstraint("shortage = greatest(0, committed + reserved + unavailable - on_hand)", name="shortage"),
        Index(None, "location_id", "variant_id"),
        Index("ix_stock_level_short", "variant_id", "location_id", postgresql_where=text("shortage > 0")),
        # Rows that change often keep room on their page, so that a change touches no index.
        {"postgresql_with": {"fillfactor": 80}},
    )

    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"), primary_key=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"), primary_key=True)
    on_hand: Mapped[int] = mapped_column(server_default=text("0"))
    committed: Mapped[int] = mapped_column(server_default=text("0"))
    reserved: Mapped[int] = mapped_column(server_default=text("0"))
    unavailable: Mapped[int] = mapped_column(server_default=text("0"))
    safety_stock: Mapped[int] = mapped_column(server_default=text("0"))
    incoming: Mapped[int] = mapped_column(server_default=text("0"))
    shortage: Mapped[int] = mapped_column(server_default=text("0"))
    counted_at: Mapped[datetime | None]
    counted_by: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default=text("0"))
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StockMovement(Base):
    """One line of the ledger; never changed, never deleted (a trigger refuses it).

    quantity: the reported number (units moved, or counted). The deltas are what it changed. state: which units became
    unavailable, or fit for sale again. Of one level, the order of `id` is that of `recorded_at`; facts are ordered by
    `occurred_at`, then `reference`.
    """

    __tablename__ = "stock_movement"
    __table_args__ = (Index(None, "variant_id", "location_id", "recorded_at", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    variant_id: Mapped[int]
    location_id: Mapped[int]
    reason: Mapped[str]
    quantity: Mapped[int]
    on_hand_delta: Mapped[int]
    committed_delta: Mapped[int]
    reserved_delta: Mapped[int]
    unavailable_delta: Mapped[int]
    incoming_delta: Mapped[int] = mapped_column(server_default=text("0"))
    state: Mapped[str | None]
    reference: Mapped[str | None]
    actor: Mapped[str]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StockUnavailable(Base):
    """Why units of a level are unavailable: their sum is the level's `unavailable`."""

    __tablename__ = "stock_unavailable"

    variant_id: Mapped[int] = mapped_column(primary_key=True)
    location_id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)
    quantity: Mapped[int]


class Shortage(Base):
    """Promised units that a fact made impossible; settled as units become available again, the oldest first."""

    __tablename__ = "shortage"
    __table_args__ = (
        CheckConstraint("quantity > 0 AND settled BETWEEN 0 AND quantity", name="quantity"),
        Index("ix_shortage_open", "variant_id", "location_id", "id", postgresql_where=text("settled < quantity")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    variant_id: Mapped[int]
    location_id: Mapped[int]
    quantity: Mapped[int]
    settled: Mapped[int] = mapped_column(server_default=text("0"))
    reference: Mapped[str | None]
    opened_at: Mapped[datetime] = mapped_column(server_default=func.now())
    settled_at: Mapped[datetime | None]


class Hold(Base):
    """Units reserved for one payment attempt (`owner_id`)."""

    __tablename__ = "hold"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        Index(None, "owner_id"),
        Index("ix_hold_live", "expires_at", postgresql_where=text("status = 'HELD'")),
        Index("ix_hold_level", "variant_id", "location_id", postgresql_where=text("status = 'HELD'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    owner_id: Mapped[UUID]
    variant_id: Mapped[int]
    location_id: Mapped[int]
    quantity: Mapped[int]
    status: Mapped[str] = mapped_column(server_default=text("'HELD'"))
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StockTransfer(Base):
    """Goods that one location ships to another."""

    __tablename__ = "stock_transfer"
    __table_args__ = (
        CheckConstraint("from_location_id <> to_location_id", name="locations"),
        Index(None, "from_location_id", "id"),
        Index(None, "to_location_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    from_location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    to_location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    status: Mapped[str] = mapped_column(server_default=text("'DRAFT'"))
    reference: Mapped[str | None]
    reason: Mapped[str | None]
    actor: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    shipped_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class StockTransferLine(Base):
    """Units of a variant in a transfer.

    quantity: planned. returned: put back at the source by a cancellation. discrepancy: why received units differ from
    the shipped ones.
    """

    __tablename__ = "stock_transfer_line"
    __table_args__ = (
        CheckConstraint("quantity > 0 AND shipped >= 0 AND received >= 0 AND returned >= 0", name="quantity"),
    )

    transfer_id: Mapped[UUID] = mapped_column(ForeignKey("stock_transfer.id"), primary_key=True)
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"), primary_key=True)
    position: Mapped[int]
    quantity: Mapped[int]
    shipped: Mapped[int] = mapped_column(server_default=text("0"))
    received: Mapped[int] = mapped_column(server_default=text("0"))
    returned: Mapped[int] = mapped_column(server_default=text("0"))
    discrepancy: Mapped[str | None]
