"""Reads of carts. Every one takes the actor: a cart that is not the actor's does not exist."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from uriba.cart.view import CartView, build
from uriba.core.actor import Actor
from uriba.db import Row, Session
from uriba.pricing.prices import PRICE_NOW
from uriba.pricing.promotion_candidates import OFFERS, WHOLE

HEAD = """
    c.id, c.status, c.version, c.events, c.channel_id, c.priced_in_id, c.location_id, c.customer_id, c.address,
    c.checkout_id, c.updated_at, p.currency, p.prices_include_tax, p.tax_rounding, p.shipping_price_minor,
    p.capture, p.points_per_unit > 0 AS rewards,
    (SELECT b.code FROM channel b WHERE b.id = c.last_changed_by_id) AS last_changed_by,
    (SELECT json_agg(json_build_array(t.tax_class, t.rate::text) ORDER BY t.tax_class)
        FROM tax_rate t WHERE t.channel_id = p.id) AS rates
"""
"""Of `cart c JOIN channel p ON p.id = c.priced_in_id`."""

_LINE = """
    l.id AS line_id, l.variant_id, l.quantity, l.method, l.chosen, l.location_id AS line_location_id, l.added_minor,
    v.product_id, v.sku, v.barcode, v.name, v.tax_class, v.discontinued, ({price}) AS price_minor,
    {offers} AS offers
"""
LINE = _LINE.format(
    price=PRICE_NOW.format(variant="l.variant_id", currency="p.currency", channel="p.id", location="c.location_id"),
    offers=OFFERS.format(
        cart="c.id",
        customer="c.customer_id",
        counted="c.status <> 'ACTIVE' OR c.checkout_id IS NOT NULL",
        channel="p.id",
        currency="p.currency",
        variant="l.variant_id",
    ),
)
"""Of `cart_line l JOIN variant v ON v.id = l.variant_id`, beside `HEAD`'s tables."""

LINE_PRICED_BY = _LINE.format(
    price=PRICE_NOW.format(variant="l.variant_id", currency="$2::text", channel="$3::bigint", location="$4::bigint"),
    offers=OFFERS.format(
        cart="$1::uuid",
        customer="$5::uuid",
        counted="false",
        channel="$3::bigint",
        currency="$2::text",
        variant="l.variant_id",
    ),
)
"""The same for a locked cart, with it, its currency, channel, location and customer as the parameters $1 to $5."""

WINDOW = "WINDOW " + WHOLE.format(rows="ORDER BY l.id")
"""What statements with `LINE_PRICED_BY` end with, before their order."""

MINE = "(c.customer_id IS NULL OR c.customer_id = {customer} OR {trusted})"
"""Whose cart it is: a guest's belongs to whoever knows its id; a customer's to that customer and the retailer."""

_CARTS = f"""
    SELECT {HEAD}, {LINE}
    FROM cart c JOIN channel p ON p.id = c.priced_in_id
    LEFT JOIN (cart_line l JOIN variant v ON v.id = l.variant_id) ON l.cart_id = c.id
    WHERE {MINE.format(customer="$2", trusted="$3")} AND
"""

_EACH = "WINDOW " + WHOLE.format(rows="PARTITION BY c.id ORDER BY l.id")


async def by_id(session: Session, ids: Sequence[UUID], *, actor: Actor) -> dict[UUID, CartView]:
    """Carts with their lines; what is not the actor's is left out."""
    rows = await session.fetch(
        f"{_CARTS} c.id = ANY($1) {_EACH} ORDER BY c.id, l.id", ids, actor.customer_id, actor.works_here
    )
    grouped: dict[UUID, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row["id"], []).append(row)
    return {
        cart_id: build(group[0], [row for row in group if row["line_id"] is not None])
        for cart_id, group in grouped.items()
    }


async def one(session: Session, cart_id: UUID, *, actor: Actor) -> CartView | None:
    return (await by_id(session, [cart_id], actor=actor)).get(cart_id)


async def active_of_customer(session: Session, customer_id: UUID) -> UUID | None:
    """The customer's one active cart."""
    found: UUID | None = await session.fetchval(
        "SELECT id FROM cart WHERE customer_id = $1 AND status = 'ACTIVE'", customer_id
    )
    return found


async def ids_of_customer(session: Session, customer_id: UUID, *, limit: int) -> list[UUID]:
    """The customer's carts, active first, then newest."""
    rows = await session.fetch(
        "SELECT id FROM cart WHERE customer_id = $1 ORDER BY status <> 'ACTIVE', updated_at DESC LIMIT $2",
        customer_id,
        limit,
    )
    return [row["id"] for row in rows]
