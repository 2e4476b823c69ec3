"""Tables of terminals and their events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, LargeBinary, func, text
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base


class PosTerminal(Base):
    """A till that has synced.

    skew_ms: how far its clock is ahead of the hub's; measurements close to this one do not change it. version: counts
    the events emitted about it.
    """

    __tablename__ = "pos_terminal"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("access_key.id"), unique=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    skew_ms: Mapped[int] = mapped_column(server_default=text("0"))
    version: Mapped[int] = mapped_column(server_default=text("0"))
    synced_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PosEpoch(Base):
    """The sequences of one epoch that the hub has, as ranges with gaps."""

    __tablename__ = "pos_epoch"
    __table_args__ = (CheckConstraint("epoch > 0", name="epoch"),)

    terminal_id: Mapped[int] = mapped_column(ForeignKey("pos_terminal.id"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    seen: Mapped[Any] = mapped_column(INT8MULTIRANGE)


class PosEvent(Base):
    """An event of a till, kept forever.

    It is identified by (terminal, epoch, sequence) and by the till's event id. digest: of its content in a canonical
    form, the first byte is the form's version; an event that is sent again has the same. occurred_at: the till's time
    less `skew_ms`, never later than the time of receipt. movements: how many movements of stock it has made.
    """

    __tablename__ = "pos_event"
    __table_args__ = (
        CheckConstraint("octet_length(digest) = 33", name="digest"),
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
