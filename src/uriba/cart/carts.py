"""Carts: begun once, found from every device, changed by one caller at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import msgspec

from uriba.cart import queries
from uriba.cart.errors import CartNotActive, CartNotFound
from uriba.cart.events import CartCreated, CartOrdered, CartUpdated, cart_subject
from uriba.cart.models import CartStatus
from uriba.cart.queries import HEAD, LINE_PRICED_BY, MINE, WINDOW
from uriba.cart.view import CartView, LineView, build, price
from uriba.core.actor import Actor
from uriba.core.errors import LimitExceeded
from uriba.core.ids import new_secret_id
from uriba.db import Row, Session, idempotency
from uriba.db.idempotency import CLAIM, NO_CLAIM, Claim
from uriba.outbox import Event, emit
from uriba.outbox.event import EVENTS_OF, INSERT_EVENTS, as_json

LINES_MAX = 500
"""Lines of one cart."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the same call was answered before."""

    answer: Any


async def begin(session: Session, *, actor: Actor, channel_id: int, cart_id: UUID | None = None) -> UUID:
    """Begin an empty cart, or give a customer's active one back; its id.

    A terminal's cart is claimed from the start: priced in its channel, at its location.
    """
    cart_id = cart_id or new_secret_id()
    if actor.customer_id is not None:
        await take_turns(session, customer_id=actor.customer_id)
    told = CartCreated(cart_subject(cart_id), 1, {"status": CartStatus.ACTIVE, "version": 1})
    made = await session.fetchval(_BEGIN, cart_id, channel_id, actor.location_id, actor.customer_id, as_json([told]))
    if made:
        return cart_id
    assert actor.customer_id is not None
    existing = await queries.active_of_customer(session, actor.customer_id)
    # It can only be gone if it was ordered this very moment; then this caller comes again.
    return existing or await begin(session, actor=actor, channel_id=channel_id, cart_id=cart_id)


_BEGIN = f"""
    WITH made AS (
        INSERT INTO cart (id, channel_id, priced_in_id, location_id, customer_id, last_changed_by_id)
        VALUES ($1, $2, $2, $3, $4, $2) ON CONFLICT (customer_id) WHERE status = 'ACTIVE' DO NOTHING RETURNING true
    ), told AS (
        {INSERT_EVENTS} {EVENTS_OF.format(parameter="$5")} WHERE EXISTS (SELECT FROM made)
    )
    SELECT true FROM made
"""


async def take_turns(session: Session, *, customer_id: UUID) -> None:
    """Have a customer's devices wait for each other, before any cart is locked: one may begin a cart, one adopt one,
    and there is one active cart at most."""
    await session.run("SELECT pg_advisory_xact_lock(hashtextextended('uriba.cart:' || $1, 0))", str(customer_id))


TAKE = f"""
    claim AS ({CLAIM}), taken AS (
        UPDATE cart c SET version = c.version + 1, events = c.events + 1, updated_at = now(), status = $10,
            last_changed_by_id = coalesce($9, c.channel_id)
        WHERE c.id = $6 AND c.status = 'ACTIVE' AND c.checkout_id IS NULL
            AND {MINE.format(customer="$7", trusted="$8")} AND ($3::text IS NULL OR EXISTS (SELECT FROM claim))
        RETURNING c.*
    )
"""
"""CTEs that claim a key and lock an active cart for a change: `taken` is empty where either was not to be had. Their
first ten parameters are `take_arguments`."""

_TAKE = f"""
    WITH {TAKE}
    SELECT k.claimed, {HEAD} FROM (SELECT EXISTS (SELECT FROM claim) AS claimed) k
    LEFT JOIN (taken c JOIN channel p ON p.id = c.priced_in_id) ON true
"""


def take_arguments(
    claim: Claim, answer: object, cart_id: UUID, actor: Actor, status: CartStatus = CartStatus.ACTIVE
) -> tuple[object, ...]:
    key = idempotency.arguments(claim, answer)
    return (*key, cart_id, actor.customer_id, actor.works_here, actor.channel_id, status)


async def take(session: Session, *, cart_id: UUID, actor: Actor, path: str = "cartId") -> CartView:
    """Lock an active cart for a change and count the change; the cart with its lines as they are now.

    Errors: `CartNotFound`, `CartNotActive`.
    """
    head = await session.fetchrow(_TAKE, *take_arguments(NO_CLAIM, None, cart_id, actor))
    if head is None or head["id"] is None:
        raise await why_not(session, cart_id=cart_id, actor=actor, path=path)
    return await with_lines(session, head)


async def take_once(
    session: Session, *, claim: Claim, answer: object, cart_id: UUID, actor: Actor, status: CartStatus
) -> CartView | Earlier:
    """The same for a call that has a key: where it was made before, what it was answered then.

    `answer`: what the key stands for from now on. `status`: what the change makes of the cart.

    Errors: those of `take`, `IdempotencyKeyReused`.
    """
    head = await session.fetchrow(_TAKE, *take_arguments(claim, answer, cart_id, actor, status))
    assert head is not None
    if head["id"] is not None:
        return await with_lines(session, head)
    if not head["claimed"] and (earlier := await idempotency.earlier(session, claim)) is not None:
        return Earlier(earlier)
    raise await why_not(session, cart_id=cart_id, actor=actor)


async def with_lines(session: Session, head: Mapping[str, Any]) -> CartView:
    """The cart of a head row, with its lines."""
    lines = await session.fetch(
        f"SELECT {LINE_PRICED_BY} FROM cart_line l JOIN variant v ON v.id = l.variant_id "
        f"WHERE l.cart_id = $1 {WINDOW} ORDER BY l.id",
        head["id"],
        head["currency"],
        head["priced_in_id"],
        head["location_id"],
        head["customer_id"],
    )
    return build(head, lines)


async def why_not(
    session: Session, *, cart_id: UUID, actor: Actor, path: str = "cartId"
) -> CartNotFound | CartNotActive:
    """Why a cart cannot be changed."""
    cart = await queries.one(session, cart_id, actor=actor)
    if cart is None:
        return CartNotFound(path)
    if cart.checkout_id is not None and cart.status is CartStatus.ACTIVE:
        return CartNotActive("This cart is being paid; it opens again if the payment fails.", path)
    return CartNotActive(f"This cart is {cart.status.lower()}; it cannot change any more.", path)


async def rewrite(session: Session, cart: CartView, lines: Sequence[LineView], *told: Event) -> CartView:
    """Put these lines in place of the cart's, and tell of it; the cart as it is now. Lines with one key become one,
    with the first one's id.

    Errors: `LimitExceeded` above 500 lines.
    """
    merged = merge_lines(lines)
    if len(merged) > LINES_MAX:
        raise LimitExceeded(f"A cart has at most {LINES_MAX} lines.", "lines")
    rows = [
        {
            "id": line.id,
            "variant_id": line.variant_id,
            "quantity": line.quantity,
            "method": line.method,
            "chosen": line.chosen,
            "location_id": line.location_id,
            "added_minor": line.added_minor,
        }
        for line in merged
    ]
    await session.run(_REWRITE, cart.id, msgspec.json.encode(rows).decode(), as_json(list(told)))
    lines, quote = price(sorted(merged, key=lambda line: line.id), cart.terms, cart.offers)
    return replace(cart, lines=lines, quote=quote)


# What is inserted asks how many lines are gone: so none is inserted before they all are.
_REWRITE = f"""
    WITH gone AS (DELETE FROM cart_line WHERE cart_id = $1 RETURNING id),
    told AS ({INSERT_EVENTS} {EVENTS_OF.format(parameter="$3")})
    INSERT INTO cart_line (id, cart_id, variant_id, quantity, method, chosen, location_id, added_minor)
    SELECT r.id, $1, r.variant_id, r.quantity, r.method, r.chosen, r.location_id, r.added_minor
    FROM json_to_recordset($2::json) AS r(id bigint, variant_id bigint, quantity bigint, method text, chosen boolean,
        location_id bigint, added_minor bigint)
    WHERE (SELECT count(*) FROM gone) >= 0
"""


def merge_lines(lines: Sequence[LineView]) -> list[LineView]:
    """One line for each key, quantities added up, order kept. Pure."""
    merged: dict[tuple[object, ...], LineView] = {}
    for line in lines:
        first = merged.get(line.key)
        merged[line.key] = (
            line
            if first is None
            else replace(first, quantity=first.quantity + line.quantity, chosen=first.chosen or line.chosen)
        )
    return list(merged.values())


def updated(cart: CartView) -> CartUpdated:
    """What others hear of an update; `cart` as taken."""
    return CartUpdated(cart_subject(cart.id), cart.events, {"status": cart.status, "version": cart.version})


async def shown(session: Session, cart_id: UUID, *, actor: Actor) -> CartView:
    """The cart as it is now, within the transaction that changed it, or for a key that changed it before.

    Errors: `CartNotFound` where it became another customer's since then.
    """
    cart = await queries.one(session, cart_id, actor=actor)
    if cart is None:
        raise CartNotFound
    return cart


async def sold(session: Session, orders: Mapping[UUID, UUID], *, channel_id: int) -> dict[UUID, Row]:
    """Close carts whose goods a till has sold, by cart the order that each became; the ones that were still to be sold.

    A cart that was ordered, is being paid for or was merged stays as it is: it was sold twice, which people settle.
    """
    rows = await session.fetch(_SOLD, list(orders), channel_id)
    for row in rows:
        data = {"status": CartStatus.ORDERED, "version": row["version"], "order": str(orders[row["id"]])}
        emit(session, CartOrdered(cart_subject(row["id"]), row["events"], data))
    return {row["id"]: row for row in rows}


_SOLD = """
    UPDATE cart c SET status = 'ORDERED', version = c.version + 1, events = c.events + 1, updated_at = now(),
        last_changed_by_id = $2
    FROM (
        SELECT id FROM cart WHERE id = ANY($1) AND status IN ('ACTIVE', 'EXPIRED') AND checkout_id IS NULL
        ORDER BY id FOR UPDATE
    ) mine WHERE c.id = mine.id RETURNING c.id, c.version, c.events, c.channel_id, c.customer_id
"""


async def expire(session: Session, *, older_than_s: int, limit: int = 500) -> int:
    """End carts that nobody touched for a term."""
    rows = await session.fetch(
        "WITH stale AS (SELECT id FROM cart WHERE status = 'ACTIVE' AND checkout_id IS NULL "
        "AND updated_at < now() - make_interval(secs => $1) ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED) "
        "UPDATE cart c SET status = 'EXPIRED', version = c.version + 1, events = c.events + 1 FROM stale "
        "WHERE c.id = stale.id RETURNING c.id, c.version, c.events",
        older_than_s,
        limit,
    )
    emit(
        session,
        *(
            CartUpdated(cart_subject(r["id"]), r["events"], {"status": CartStatus.EXPIRED, "version": r["version"]})
            for r in rows
        ),
    )
    return len(rows)
