"""Locks of orders. A change of a placed order locks its order first, and stock levels after it."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from uriba.db import Session
from uriba.db.rows import column_list, typed_row
from uriba.db.statements import statement


class LockedOrder(NamedTuple):
    """An order that this transaction has locked. Amounts in minor units."""

    id: UUID
    number: str
    status: str
    payment_status: str
    channel_id: int
    location_id: int | None
    customer_id: UUID | None
    currency: str
    prices_include_tax: bool
    shipping_minor: int
    email: str | None
    phone: str | None


async def lock(session: Session, order_id: UUID) -> LockedOrder | None:
    """Lock an order and return it; None where there is none."""
    row = await session.fetchrow(_LOCK, order_id=order_id)
    return None if row is None else typed_row(LockedOrder, row)


_LOCK = statement(f"SELECT {column_list(LockedOrder, 'o')} FROM orders o WHERE o.id = :order_id FOR UPDATE")


async def lock_all(session: Session, order_ids: Collection[UUID]) -> None:
    """Lock orders in the order of their ids."""
    await session.run(_LOCK_ALL, order_ids=list(order_ids))


_LOCK_ALL = statement("SELECT FROM orders WHERE id = ANY(:order_ids) ORDER BY id FOR UPDATE")


async def lock_unlocked(session: Session, order_ids: Collection[UUID]) -> list[UUID]:
    """Lock those of the orders that no other transaction has locked, without waiting; return their ids."""
    rows = await session.fetch(_LOCK_UNLOCKED, order_ids=list(order_ids))
    return [row["id"] for row in rows]


_LOCK_UNLOCKED = statement("SELECT id FROM orders WHERE id = ANY(:order_ids) ORDER BY id FOR UPDATE SKIP LOCKED")
