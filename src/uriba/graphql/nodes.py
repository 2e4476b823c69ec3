"""Any object by its global id, under the rights of its own type: an object that is not the caller's is not found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import strawberry

from uriba.conflicts import queries as conflicts
from uriba.core import ids
from uriba.core.errors import Invalid
from uriba.graphql.cart.queries import cart_by_id
from uriba.graphql.catalog.queries import product_by_id, variant_by_id
from uriba.graphql.catalog.types import Channel, Location, channel_of, location_of
from uriba.graphql.context import Info
from uriba.graphql.customers.types import Customer, load_customer
from uriba.graphql.health.queries import alert_by_id
from uriba.graphql.inventory.transfers import StockTransfer, transfer_by_id
from uriba.graphql.inventory.types import StockLevel, StockMovement, level_of, movement_of
from uriba.graphql.orders.fulfillments import Fulfillment, fulfillment_of
from uriba.graphql.orders.payments import Payment, payment_of
from uriba.graphql.orders.queries import order_by_id
from uriba.graphql.orders.returns import Return, return_of
from uriba.graphql.permissions import INVENTORY_SCOPE, PUBLIC, RETAILER, Permission, query
from uriba.graphql.pos.types import Conflict, conflict_of
from uriba.graphql.scalars import Node
from uriba.graphql.stored_value.types import gift_card_by_id
from uriba.graphql.webhooks.queries import delivery_by_id, endpoint_by_id
from uriba.inventory import queries as inventory


async def _channel(info: Info, id: str) -> Channel | None:
    key = ids.number(id, "Channel")
    row = await info.context.loaders.channel.get(key) if key else None
    return channel_of(row) if row else None


async def _location(info: Info, id: str) -> Location | None:
    key = ids.number(id, "Location")
    row = await info.context.loaders.location.get(key) if key else None
    return location_of(row) if row else None


async def _customer(info: Info, id: str) -> Customer | None:
    return await load_customer(info, ids.uuid(id, "Customer"))


async def _level(info: Info, id: str) -> StockLevel | None:
    key = ids.local_id(id, "StockLevel")
    if key is None:
        return None
    try:
        row = await info.context.loaders.level.get(inventory.split_level_key(key))
    except Invalid:
        return None
    return level_of(row) if row else None


async def _movement(info: Info, id: str) -> StockMovement | None:
    key = ids.number(id, "StockMovement")
    if key is None:
        return None
    async with info.context.reading() as session:
        row = await inventory.movement_by_id(session, key)
    return movement_of(row) if row else None


async def _transfer(info: Info, id: str) -> StockTransfer | None:
    async with info.context.reading() as session:
        return await transfer_by_id(session, id)


async def _fulfillment(info: Info, id: str) -> Fulfillment | None:
    key = ids.uuid(id, "Fulfillment")
    row = await info.context.loaders.fulfillment.get(key) if key else None
    return fulfillment_of(row) if row else None


async def _payment(info: Info, id: str) -> Payment | None:
    key = ids.uuid(id, "Payment")
    row = await info.context.loaders.payment.get(key) if key else None
    return payment_of(row) if row else None


async def _conflict(info: Info, id: str) -> Conflict | None:
    key = ids.number(id, "Conflict")
    if key is None:
        return None
    async with info.context.reading() as session:
        row = await conflicts.by_id(session, key)
    return conflict_of(row) if row else None


async def _return(info: Info, id: str) -> Return | None:
    key = ids.uuid(id, "Return")
    row = await info.context.loaders.order_return.get(key) if key else None
    return return_of(row) if row else None


class NodeReader(NamedTuple):
    """Reads one type by its global id. Callers without the permission do not find it."""

    read: Callable[[Info, str], Awaitable[Node | None]]
    permission: Permission = PUBLIC


READERS: dict[str, NodeReader] = {
    "Alert": NodeReader(alert_by_id),
    "Cart": NodeReader(cart_by_id),
    "Channel": NodeReader(_channel),
    "Conflict": NodeReader(_conflict, INVENTORY_SCOPE),
    "Customer": NodeReader(_customer),
    "Delivery": NodeReader(delivery_by_id),
    "Endpoint": NodeReader(endpoint_by_id),
    "Fulfillment": NodeReader(_fulfillment),
    "GiftCard": NodeReader(gift_card_by_id),
    "Location": NodeReader(_location),
    "Order": NodeReader(order_by_id),
    "Payment": NodeReader(_payment),
    "Product": NodeReader(product_by_id),
    "Return": NodeReader(_return),
    "StockLevel": NodeReader(_level, RETAILER),
    "StockMovement": NodeReader(_movement, RETAILER),
    "StockTransfer": NodeReader(_transfer, RETAILER),
    "Variant": NodeReader(variant_by_id),
}
"""One reader for each type that has a global id; `tests/graphql/test_nodes.py` compares them with the schema."""


@strawberry.type
class NodeQueries:
    @query(PUBLIC, "An object by its global id; null where there is none, or none for the caller.")
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        reader = READERS.get(ids.kind_of(id) or "")
        if reader is None or not reader.permission.allows(info.context.actor):
            return None
        return await reader.read(info, id)
