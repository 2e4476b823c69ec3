"""Choosing how lines reach the customer: carried out, picked up or shipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import msgspec

from uriba.cart import carts
from uriba.cart.addresses import Address, checked
from uriba.cart.enums import FulfillmentMethod
from uriba.cart.view import CartView
from uriba.catalog import locations
from uriba.core import text
from uriba.core.actor import Actor, Role
from uriba.core.errors import Code, Invalid, NotFound, Refusals
from uriba.db import Session
from uriba.db.statements import statement


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
    """Choose the method of some lines (None: of all), with the store of a pickup or the address of a shipment.

    Errors: `CartNotFound`, `CartNotActive`, `NotFound` for lines and location, `Invalid` for a location that offers
    no pickup or is not the channel's, for CARRY_OUT away from a till, and for addresses.
    """
    cart = await carts.lock(session, cart_id=cart_id, actor=actor)
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
        await session.run(_SET_ADDRESS, cart_id=cart.id, address=msgspec.json.encode(kept).decode())
        cart = replace(cart, address=kept)
    return await carts.replace_lines(session, cart, lines, carts.updated_event(cart))


_SET_ADDRESS = statement("UPDATE cart SET address = :address::jsonb WHERE id = :cart_id")


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
                raise Invalid("Only a till can use CARRY_OUT. Choose PICKUP or SHIP.", "method")
            return actor.location_id


async def _pickup_store(session: Session, cart: CartView, location: str | None) -> int:
    if location is None:
        raise Invalid("Give the store where the goods are picked up.", "location")
    store = await locations.with_channel(session, text.code(location, "location"), channel_id=cart.priced_in_id)
    if store is None:
        raise NotFound("There is no such location.", "location")
    if not (store["offers_pickup"] and store["served"]):
        raise Invalid("This location offers no pickup for this channel.", "location")
    return int(store["id"])
