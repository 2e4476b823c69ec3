"""Tables of tills and of their facts."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, LargeBinary, func, text
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base


class PosEventType(StrEnum):
    """What a till reports."""

    SALE = "SALE"
    RETURN = "RETURN"
    RECEIPT = "RECEIPT"
    ADJUSTMENT = "ADJUSTMENT"
    COUNT = "COUNT"
    DAMAGE = "DAMAGE"


class PosEventStatus(StrEnum):
    """What became of a fact: it stands now, it stood already, or a person has to look at it."""

    APPLIED = "APPLIED"
    DUPLICATE = "DUPLICATE"
    PARKED = "PARKED"


class PosTerminal(Base):
    """A till that has synced. `skew_ms`: how far its clock is ahead of ours, as it was last measured to be another;
    `version` counts its events.
    """

    __tablename__ = "pos_terminal"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("access_key.id"), unique=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    skew_ms: Mapped[int] = mapped_column(server_default=text("0"))
    version: Mapped[int] = mapped_column(server_default=text("0"))
    synced_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PosEpoch(Base):
    """The sequences that the hub has of one epoch of a till: with their gaps, whatever the order they came in."""

    __tablename__ = "pos_epoch"
    __table_args__ = (CheckConstraint("epoch > 0", name="epoch"),)

    terminal_id: Mapped[int] = mapped_column(ForeignKey("pos_terminal.id"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    seen: Mapped[Any] = mapped_column(INT8MULTIRANGE)


class PosEvent(Base):
    """A fact that the hub has, for ever. (terminal, epoch, sequence) and the till's own id name it, the digest proves
    that the same was sent again. `occurred_at` is the till's time less `skew_ms`, and never later than its receipt.
    `movements`: lines of the ledger that it made.
    """

    __tablename__ = "pos_event"
    __table_args__ = (
        CheckConstraint("octet_length(digest) = 32", name="digest"),
        Index("uq_pos_event_event_id", "terminal_id", "event_id", unique=True),
    )

    terminal_id: Mapped[int] = mapped_column(primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    type: Mapped[str]
    status: Mapped[str]
    movements: Mapped[int] = mapped_column(server_default=text("0"))
    occurred_at: Mapped[datetime]
    skew_ms: Mapped[int] = mapped_column(server_default=text("0"))
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())
