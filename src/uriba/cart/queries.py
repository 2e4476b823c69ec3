"""Reads of carts. Each takes the actor: a cart that the actor may not see does not exist."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from uriba.cart.view import CartView, build
from uriba.core.actor import Actor
from uriba.db import Row, Session
from uriba.db.statements import fragment, statement
from uriba.pricing.prices import PRICE_NOW
from uriba.pricing.promotion_candidates import CART_WINDOW, PROMOTION_CANDIDATES

CART_COLUMNS = fragment("""
    c.id, c.status, c.version, c.events, c.channel_id, c.priced_in_id, c.location_id, c.customer_id, c.address,
    c.checkout_id, c.updated_at, p.currency, p.prices_include_tax, p.tax_rounding, p.shipping_price_minor,
    p.capture, p.points_per_unit > 0 AS rewards,
    (SELECT b.code FROM channel b WHERE b.id = c.last_changed_by_id) AS last_changed_by,
    (SELECT json_agg(json_build_array(t.tax_class, t.rate::text) ORDER BY t.tax_class)
        FROM tax_rate t WHERE t.channel_id = p.id) AS rates
""")
"""Columns of `cart c JOIN channel p ON p.id = c.priced_in_id`."""

_LINE_COLUMNS = fragment("""
    l.id AS line_id, l.variant_id, l.quantity, l.method, l.chosen, l.location_id AS line_location_id, l.added_minor,
    v.product_id, v.sku, v.barcode, v.name, v.tax_class, v.discontinued, ({price}) AS price_minor,
    {candidates} AS candidates
""")

LOCKED_CART_LINE_COLUMNS = _LINE_COLUMNS.format(
    price=PRICE_NOW.format(
        variant="l.variant_id",
        currency=":currency::text",
        channel=":channel_id::bigint",
        location=":location_id::bigint",
    ),
    candidates=PROMOTION_CANDIDATES.format(
        cart=":cart_id::uuid",
        customer=":customer_id::uuid",
        counted="false",
        channel=":channel_id::bigint",
        currency=":currency::text",
        variant="l.variant_id",
    ),
)
"""Columns of `cart_line l JOIN variant v ON v.id = l.variant_id` for one locked cart.

Parameters: cart_id, currency, channel_id, location_id, customer_id, all of that cart. The statement ends with
`CART_WINDOW.format(rows="ORDER BY l.id")` before its order.
"""

VISIBLE = fragment("(c.customer_id IS NULL OR c.customer_id = :actor_customer_id OR :actor_works_here)")
"""Whether an actor may see a cart: a guest's belongs to all who know its id, a customer's to them and the retailer."""

_CART_LINE_COLUMNS = _LINE_COLUMNS.format(
    price=PRICE_NOW.format(variant="l.variant_id", currency="p.currency", channel="p.id", location="c.location_id"),
    candidates=PROMOTION_CANDIDATES.format(
        cart="c.id",
        customer="c.customer_id",
        counted="c.status <> 'ACTIVE' OR c.checkout_id IS NOT NULL",
        channel="p.id",
        currency="p.currency",
        variant="l.variant_id",
    ),
)

_CARTS = statement(f"""
    SELECT {CART_COLUMNS}, {_CART_LINE_COLUMNS}
    FROM cart c JOIN channel p ON p.id = c.priced_in_id
    LEFT JOIN (cart_line l JOIN variant v ON v.id = l.variant_id) ON l.cart_id = c.id
    WHERE {VISIBLE} AND c.id = ANY(:ids)
    WINDOW {CART_WINDOW.format(rows="PARTITION BY c.id ORDER BY l.id")}
    ORDER BY c.id, l.id
""")


async def by_id(session: Session, ids: Sequence[UUID], *, actor: Actor) -> dict[UUID, CartView]:
    """Return carts with their lines; those that the actor may not see are left out."""
    rows = await session.fetch(_CARTS, ids=ids, actor_customer_id=actor.customer_id, actor_works_here=actor.works_here)
    by_cart: dict[UUID, list[Row]] = {}
    for row in rows:
        by_cart.setdefault(row["id"], []).append(row)
    return {
        cart_id: build(own[0], [row for row in own if row["line_id"] is not None]) for cart_id, own in by_cart.items()
    }


async def one(session: Session, cart_id: UUID, *, actor: Actor) -> CartView | None:
    """Return one cart, unless it does not exist for the actor."""
    return (await by_id(session, [cart_id], actor=actor)).get(cart_id)


async def active_of_customer(session: Session, customer_id: UUID) -> UUID | None:
    """Return the id of the customer's active cart."""
    cart_id: UUID | None = await session.fetchval(_ACTIVE, customer_id=customer_id)
    return cart_id


_ACTIVE = statement("SELECT id FROM cart WHERE customer_id = :customer_id AND status = 'ACTIVE'")


async def ids_of_customer(session: Session, customer_id: UUID, *, limit: int) -> list[UUID]:
    """Return the ids of the customer's carts, the active one first, then the newest."""
    return [row["id"] for row in await session.fetch(_OF_CUSTOMER, customer_id=customer_id, limit=limit)]


_OF_CUSTOMER = statement("""
    SELECT id FROM cart WHERE customer_id = :customer_id ORDER BY status <> 'ACTIVE', updated_at DESC LIMIT :limit
""")


async def existing(session: Session, ids: Sequence[UUID]) -> frozenset[UUID]:
    """Return those ids that are carts'."""
    return frozenset(row["id"] for row in await session.fetch(_EXISTING, ids=ids))


_EXISTING = statement("SELECT id FROM cart WHERE id = ANY(:ids)")


async def active_at_location(session: Session, location_id: int) -> list[Row]:
    """Return the active carts of a store's tills (id, version, quantity), by id."""
    return await session.fetch(_ACTIVE_AT_LOCATION, location_id=location_id)


_ACTIVE_AT_LOCATION = statement("""
    SELECT c.id, c.version,
        (SELECT coalesce(sum(l.quantity), 0)::bigint FROM cart_line l WHERE l.cart_id = c.id) AS quantity
    FROM cart c WHERE c.location_id = :location_id AND c.status = 'ACTIVE' ORDER BY c.id
""")
