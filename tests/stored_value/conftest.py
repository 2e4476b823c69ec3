"""Most of these tests use the ledgers alone: the orders that they name do not exist."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.shop import Shop

OF_MISSING_ORDERS = """
    order_id IS NOT NULL AND NOT EXISTS (SELECT FROM orders o WHERE o.id = e.order_id)
        AND NOT EXISTS (SELECT FROM checkout_attempt a WHERE a.order_id = e.order_id)
"""


@pytest.fixture
async def shop(shop: Shop) -> AsyncIterator[Shop]:
    """A retailer. At the end, before invariants are checked, delete the entries of orders that do not exist."""
    yield shop
    async with shop.hub.database.transaction() as session:
        cards = await session.fetch(f"DELETE FROM gift_card_entry e WHERE {OF_MISSING_ORDERS} RETURNING card_id")
        people = await session.fetch(f"DELETE FROM points_entry e WHERE {OF_MISSING_ORDERS} RETURNING customer_id")
        await session.run(_CARDS, [row["card_id"] for row in cards])
        await session.run(_ACCOUNTS, [row["customer_id"] for row in people])


_CARDS = """
    UPDATE gift_card c SET balance_minor = (SELECT sum(amount_minor) FROM gift_card_entry e WHERE e.card_id = c.id)
    WHERE id = ANY($1)
"""
_ACCOUNTS = """
    UPDATE points_account a SET balance = greatest(0, s.points), owed = greatest(0, -s.points) FROM (
        SELECT p AS customer_id, coalesce(sum(e.points), 0) AS points
        FROM (SELECT DISTINCT p FROM unnest($1::uuid[]) AS p) AS people LEFT JOIN points_entry e ON e.customer_id = p GROUP BY 1
    ) s WHERE s.customer_id = a.customer_id
"""
