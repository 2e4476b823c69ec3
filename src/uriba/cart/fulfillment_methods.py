"""Methods: the customer (or the till) says how lines reach the customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import msgspec

from uriba.cart import carts
from uriba.cart.addresses import Address, checked
from uriba.cart.models import FulfillmentMethod
from uriba.cart.view import CartView
from uriba.catalog import locations
from uriba.core import text
from uriba.core.actor import Actor, Role
from uriba.core.errors import Code, Invalid, NotFound, Refusals
from uriba.db import Session


async def choose(
    session: Session,
    *,
    actor: Actor,
    cart_id: UUID,
    line_ids: Sequence[int] | None,
    method: FulfillmentMethod,
    location: str | None,
    address: Address | None,
) -> CartView:
    """Choose the method of some lines (None: of all), with a pickup's store or an address to ship to.

    Errors: `CartNotFound`, `CartNotActive`, `NotFound` for lines and location, `Invalid` for a location that offers
    no pickup or is not the channel's, for CARRY_OUT away from a till, and for addresses.
    """
    cart = await carts.take(session, cart_id=cart_id, actor=actor)
    _refuse_unknown(cart, line_ids)
    location_id = await _location(session, actor, cart, method, location)
    chosen = None if line_ids is None else set(line_ids)
    lines = [
        replace(line, method=method, chosen=True, location_id=location_id)
        if chosen is None or line.id in chosen
        else line
        for line in cart.lines
    ]
    if address is not None:
        kept = checked(address)
        await session.run(
            "UPDATE cart SET address = $2::jsonb WHERE id = $1", cart.id, msgspec.json.encode(kept).decode()
        )
        cart = replace(cart, address=kept)
    return await carts.rewrite(session, cart, lines, carts.updated(cart))


def _refuse_unknown(cart: CartView, line_ids: Sequence[int] | None) -> None:
    known = {line.id for line in cart.lines}
    refusals = Refusals()
    for index, line_id in enumerate(line_ids or ()):
        if line_id not in known:
            refusals.add(Code.NOT_FOUND, "There is no such line.", "lineIds", index)
    refusals.raise_any()


async def _location(
    session: Session, actor: Actor, cart: CartView, method: FulfillmentMethod, location: str | None
) -> int | None:
    match method:
        case FulfillmentMethod.SHIP:
            return None
        case FulfillmentMethod.PICKUP:
            return await _pickup_store(session, cart, location)
        case FulfillmentMethod.CARRY_OUT:
            if actor.role is not Role.TERMINAL:
                raise Invalid("Goods are carried out from a till; here they can be picked up or shipped.", "method")
            return actor.location_id


async def _pickup_store(session: Session, cart: CartView, location: str | None) -> int:
    if location is None:
        raise Invalid("Say at which store the goods are picked up.", "location")
    found = await locations.seen_by(session, text.code(location, "location"), channel_id=cart.priced_in_id)
    if found is None:
        raise NotFound("There is no such location.", "location")
    if not (found["offers_pickup"] and found["served"]):
        raise Invalid("This location offers no pickup for this channel.", "location")
    return int(found["id"])
