"""Lines: added (two devices adding one make two) or set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import msgspec

from uriba.cart import carts
from uriba.cart.events import CartUpdated, cart_subject
from uriba.cart.models import FulfillmentMethod
from uriba.cart.queries import HEAD, LINE_PRICED_BY, WINDOW
from uriba.cart.view import CartView, build
from uriba.core import quantities, text
from uriba.core.actor import Actor
from uriba.core.errors import Code, DomainError, Invalid, LimitExceeded, Refusals, VersionConflict
from uriba.db import Row, Session, idempotency
from uriba.db.idempotency import Claim
from uriba.outbox.event import EVENTS_OF, INSERT_EVENTS, as_json
from uriba.pricing.prices import PRICE_NOW


@dataclass(frozen=True, slots=True)
class NewLine:
    """Units to add, of a SKU or a variant; `variant_id` 0 is one that does not exist."""

    sku: str | None
    variant_id: int | None
    quantity: int


@dataclass(frozen=True, slots=True)
class LineQuantity:
    """A line's new quantity; 0 removes it. `line_id` 0 is one that does not exist."""

    line_id: int
    quantity: int


def check(lines: Sequence[NewLine]) -> None:
    """Refuse what cannot be meant, all of it at once.

    Errors: `Invalid` unless each line names exactly one of sku and variantId, `InvalidQuantity`, `LimitExceeded`.
    """
    quantities.check_rows(len(lines), "lines", rows_max=carts.LINES_MAX)
    refusals = Refusals()
    for index, line in enumerate(lines):
        if (line.sku is None) == (line.variant_id is None):
            refusals.add(Code.INVALID, "Give exactly one of sku and variantId.", "lines", index)
        if line.sku is not None and text.has_control(line.sku):
            refusals.add(Code.INVALID, "This holds a control character.", "lines", index, "sku")
        try:
            quantities.quantity(line.quantity, "lines", index, "quantity")
        except DomainError as error:
            refusals.caught(error)
    refusals.raise_any()


# Claims the key, locks the cart and looks the goods up: one round trip. Where no cart was taken, one row says whether
# the key is this call's.
_TAKE_AND_FIND = f"""
    WITH {carts.TAKE}, wanted AS MATERIALIZED (
        SELECT w.n, w.quantity, v.id AS variant_id, v.discontinued, v.tax_class
        FROM json_to_recordset($11::json) AS w(n bigint, sku text, variant_id bigint, quantity bigint)
        LEFT JOIN LATERAL (
            SELECT id, discontinued, tax_class FROM variant WHERE sku = w.sku
            UNION ALL SELECT id, discontinued, tax_class FROM variant WHERE id = w.variant_id AND w.sku IS NULL
        ) v ON true
    )
    SELECT k.claimed, {HEAD}, w.n, w.quantity, w.variant_id AS wanted_id, w.discontinued, w.tax_class,
        ({PRICE_NOW.format(variant="w.variant_id", currency="p.currency", channel="p.id", location="c.location_id")})
            AS wanted_minor
    FROM (SELECT EXISTS (SELECT FROM claim) AS claimed) k
    LEFT JOIN (taken c JOIN channel p ON p.id = c.priced_in_id CROSS JOIN wanted w) ON true ORDER BY w.n
"""

# Adds the quantities up, tells of it and reads the whole cart: one round trip. The cart's lock is held since the
# statement before, so this one's snapshot shows every line that others have added.
_ADD = f"""
    WITH added AS (
        INSERT INTO cart_line AS l (cart_id, variant_id, quantity, method, location_id, added_minor)
        SELECT $1, r.variant_id, r.quantity, $6, $4, r.price_minor
        FROM json_to_recordset($7::json) AS r(variant_id bigint, quantity bigint, price_minor bigint)
        ON CONFLICT ON CONSTRAINT uq_cart_line_key DO UPDATE
            SET quantity = l.quantity + excluded.quantity, added_minor = excluded.added_minor
        RETURNING l.*
    ), told AS (
        {INSERT_EVENTS} {EVENTS_OF.format(parameter="$8")}
    )
    SELECT {LINE_PRICED_BY}
    FROM (
        SELECT * FROM added
        UNION ALL SELECT o.* FROM cart_line o WHERE o.cart_id = $1 AND o.id NOT IN (SELECT id FROM added)
    ) l JOIN variant v ON v.id = l.variant_id {WINDOW} ORDER BY l.id
"""


async def add(session: Session, *, actor: Actor, claim: Claim, cart_id: UUID, lines: Sequence[NewLine]) -> CartView:
    """Add quantities to a cart, all or none. Two statements.

    Errors: those of `check`, `CartNotFound`, `CartNotActive`, and per line `NotFound`, DISCONTINUED, `InvalidQuantity`.
    """
    check(lines)
    if not lines:
        raise Invalid("Give at least one line.", "lines")
    wanted = [
        {"n": n, "sku": line.sku, "variant_id": line.variant_id, "quantity": line.quantity}
        for n, line in enumerate(lines)
    ]
    found = await session.fetch(
        _TAKE_AND_FIND,
        *carts.take_arguments(claim, str(cart_id), cart_id, actor),
        msgspec.json.encode(wanted).decode(),
    )
    if found[0]["id"] is None:
        if found[0]["claimed"] or await idempotency.earlier(session, claim) is None:
            raise await carts.why_not(session, cart_id=cart_id, actor=actor)
        return await carts.shown(session, cart_id, actor=actor)
    _refuse(found, lines)
    return await _add(session, found)


def _refuse(found: Sequence[Row], lines: Sequence[NewLine]) -> None:
    refusals = Refusals()
    classes = {tax_class for tax_class, _ in found[0]["rates"] or ()}
    for row, line in zip(found, lines, strict=True):
        at = ("lines", row["n"], "sku" if line.sku is not None else "variantId")
        if row["wanted_id"] is None:
            refusals.add(Code.NOT_FOUND, "There is no such variant.", *at)
        elif row["discontinued"]:
            refusals.add(Code.DISCONTINUED, "This is not sold any more.", *at)
        elif row["wanted_minor"] is None:
            refusals.add(Code.NOT_FOUND, "This is not sold in this channel.", *at)
        elif classes and row["tax_class"] not in classes:
            refusals.add(Code.INVALID, f"The channel has no tax rate for class {row['tax_class']}.", *at)
    refusals.raise_any()


async def _add(session: Session, found: Sequence[Row]) -> CartView:
    head = found[0]
    totals: dict[int, dict[str, int]] = {}
    for row in found:
        new = {"variant_id": row["wanted_id"], "quantity": 0, "price_minor": row["wanted_minor"]}
        totals.setdefault(row["wanted_id"], new)["quantity"] += row["quantity"]
    told = CartUpdated(cart_subject(head["id"]), head["events"], {"status": head["status"], "version": head["version"]})
    rows = await session.fetch(
        _ADD,
        head["id"],
        head["currency"],
        head["priced_in_id"],
        head["location_id"],
        head["customer_id"],
        FulfillmentMethod.SHIP if head["location_id"] is None else FulfillmentMethod.CARRY_OUT,
        msgspec.json.encode(list(totals.values())).decode(),
        as_json([told]),
    )
    _refuse_too_many(found, rows)
    return build(head, rows)


def _refuse_too_many(found: Sequence[Row], rows: Sequence[Row]) -> None:
    """What a line would grow to is only known once it has grown; refusing rolls it back."""
    refusals = Refusals()
    too_many = {row["variant_id"] for row in rows if row["quantity"] > quantities.QUANTITY_MAX}
    for row in found:
        if row["wanted_id"] in too_many:
            sentence = f"A line has at most {quantities.QUANTITY_MAX:,} units."
            refusals.add(Code.INVALID_QUANTITY, sentence, "lines", row["n"], "quantity")
    refusals.raise_any()
    if len(rows) > carts.LINES_MAX:
        raise LimitExceeded(f"A cart has at most {carts.LINES_MAX} lines.", "lines")


async def update(
    session: Session,
    *,
    actor: Actor,
    cart_id: UUID,
    lines: Sequence[LineQuantity],
    expected_version: int | None,
) -> CartView:
    """Set quantities, all or none; saying a quantity is agreeing to the price of now.

    Errors: `CartNotFound`, `CartNotActive`, `VersionConflict`, and per line `NotFound` and `InvalidQuantity`.
    """
    quantities.check_rows(len(lines), "lines", rows_max=carts.LINES_MAX)
    cart = await carts.take(session, cart_id=cart_id, actor=actor)
    if expected_version is not None and cart.version - 1 != expected_version:
        raise VersionConflict(f"The cart is at version {cart.version - 1}.", "expectedVersion")
    refusals = Refusals()
    known = {line.id for line in cart.lines}
    for index, line in enumerate(lines):
        if line.line_id not in known:
            refusals.add(Code.NOT_FOUND, "There is no such line.", "lines", index, "lineId")
        try:
            quantities.quantity(line.quantity, "lines", index, "quantity", least=0)
        except DomainError as error:
            refusals.caught(error)
    refusals.raise_any()
    said = {line.line_id: line.quantity for line in lines}
    kept = [
        replace(line, quantity=said[line.id], added_minor=line.unit_minor) if line.id in said else line
        for line in cart.lines
        if said.get(line.id) != 0
    ]
    return await carts.rewrite(session, cart, kept, carts.updated(cart))
