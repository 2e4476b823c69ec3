"""Tables of sync health."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base


class FeedReader(Base):
    """How far a key has read the feed, by the cursors that it asked after."""

    __tablename__ = "feed_reader"

    key_id: Mapped[str] = mapped_column(ForeignKey("access_key.id"), primary_key=True)
    position: Mapped[int]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
