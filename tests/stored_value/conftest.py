"""Most of these tests speak with the ledgers alone: the orders that they name are not in the order book."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shop import Shop

IMAGINED = """
    order_id IS NOT NULL AND NOT EXISTS (SELECT FROM orders o WHERE o.id = e.order_id)
        AND NOT EXISTS (SELECT FROM checkout_attempt a WHERE a.order_id = e.order_id)
"""


@pytest.fixture
async def shop(shop: Shop) -> AsyncIterator[Shop]:
    """The retailer; at the end, before invariants are looked at, what was booked for imagined orders is taken out."""
    yield shop
    async with shop.hub.database.transaction() as session:
        await session.run(f"DELETE FROM gift_card_entry e WHERE {IMAGINED}")
        await session.run(f"DELETE FROM points_entry e WHERE {IMAGINED}")
        await session.run(
            "UPDATE gift_card c SET balance_minor = "
            "(SELECT sum(amount_minor) FROM gift_card_entry e WHERE e.card_id = c.id)"
        )
        await session.run(
            "UPDATE points_account a SET balance = greatest(0, s.points), owed = greatest(0, -s.points) FROM ("
            "SELECT a.customer_id, coalesce(sum(e.points), 0) AS points FROM points_account a "
            "LEFT JOIN points_entry e USING (customer_id) GROUP BY 1) s WHERE s.customer_id = a.customer_id"
        )
