"""The tables of the sandbox, in the place of a payment provider's own database.

They are not part of the migrations and exist only where the sandbox is on; no transaction of the hub reads or writes
them. Their content is disposable: to change their shape, drop them and run `uriba migrate`.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, MetaData, func, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from uriba.db.base import CONVENTION, Base


class SandboxBase(DeclarativeBase):
    """A table of the sandbox."""

    metadata = MetaData(naming_convention=CONVENTION)
    type_annotation_map = Base.type_annotation_map


class SandboxCharge(SandboxBase):
    """A charge, by the hub's key of it."""

    __tablename__ = "sandbox_charge"

    key: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    amount_minor: Mapped[int]
    captured_minor: Mapped[int] = mapped_column(server_default=text("0"))
    refunded_minor: Mapped[int] = mapped_column(server_default=text("0"))
    currency: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SandboxOperation(SandboxBase):
    """A capture or refund, by the hub's key of it. A repeated key moves no money."""

    __tablename__ = "sandbox_operation"

    key: Mapped[str] = mapped_column(primary_key=True)
    charge: Mapped[str]
    kind: Mapped[str]
    amount_minor: Mapped[int]


TABLES = tuple(SandboxBase.metadata.tables)


def create(connection: Connection) -> None:
    """Create the tables that do not exist yet."""
    SandboxBase.metadata.create_all(connection)
