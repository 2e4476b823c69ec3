"""The table of price lists."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint
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
