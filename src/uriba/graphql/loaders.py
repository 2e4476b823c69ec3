"""Batch loaders: what many fields ask for is read at once. Made anew for each request and each event."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Generic, TypeVar

from strawberry.dataloader import DataLoader

from uriba.cart import queries as carts
from uriba.catalog import channels, locations
from uriba.catalog import queries as catalog
from uriba.core.actor import Actor
from uriba.customers import customers
from uriba.db import Database, Session
from uriba.fulfillment import availability
from uriba.fulfillment import queries as fulfillments
from uriba.inventory import explain
from uriba.inventory import queries as inventory
from uriba.orders import payment_operations
from uriba.orders import queries as orders
from uriba.pricing import prices
from uriba.stored_value import queries as stored_value
from uriba.webhooks import deliveries

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Batch(Generic[K, V]):
    """Values by key. `put` gives some ahead, which then cost no awaiting; the rest is read in batches."""

    def __init__(self, database: Database, read: Callable[[Session, list[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._database = database
        self._read = read
        self._ready: dict[K, V | None] = {}
        self._loader: DataLoader[K, V | None] = DataLoader(load_fn=self._load)

    def load(self, key: K) -> V | Awaitable[V | None] | None:
        """The value if it is here, else something to await."""
        return self._ready[key] if key in self._ready else self._loader.load(key)

    async def get(self, key: K) -> V | None:
        return self._ready[key] if key in self._ready else await self._loader.load(key)

    async def put(self, session: Session, keys: Sequence[K]) -> Mapping[K, V]:
        """Read these keys now."""
        found = await self._read(session, list(keys))
        for key in keys:
            self._ready[key] = found.get(key)
        return found

    async def _load(self, keys: list[K]) -> list[V | None]:
        async with self._database.reading() as session:
            found = await self._read(session, keys)
        return [found.get(key) for key in keys]


class Loaders:
    """All loaders of one request. Those of private rows carry the actor down to the query."""

    def __init__(self, database: Database, actor: Actor) -> None:
        self._database = database
        self._actor = actor
        self._by_channel: dict[tuple[str, int], Batch[int, Any]] = {}

    def _batch(self, read: Callable[..., Awaitable[Mapping[Any, Any]]], **given: Any) -> Batch[Any, Any]:
        return Batch(self._database, partial(read, **given) if given else read)

    @cached_property
    def channel(self) -> Batch[int, Any]:
        return self._batch(channels.by_id)

    @cached_property
    def location(self) -> Batch[int, Any]:
        return self._batch(locations.by_id)

    @cached_property
    def locations_of_channel(self) -> Batch[int, Any]:
        return self._batch(locations.by_channel)

    @cached_property
    def product(self) -> Batch[int, Any]:
        return self._batch(catalog.products_by_id)

    @cached_property
    def variant(self) -> Batch[int, Any]:
        return self._batch(catalog.variants_by_id)

    @cached_property
    def variants_of_product(self) -> Batch[int, Any]:
        return self._batch(catalog.variants_by_product)

    @cached_property
    def customer(self) -> Batch[Any, Any]:
        return self._batch(customers.by_id)

    @cached_property
    def points_of_customer(self) -> Batch[Any, Any]:
        return self._batch(stored_value.balances)

    @cached_property
    def attempts_of_delivery(self) -> Batch[int, Any]:
        return self._batch(deliveries.attempts_by_delivery)

    @cached_property
    def lag_of_endpoint(self) -> Batch[Any, Any]:
        return self._batch(deliveries.lag_by_endpoint)

    @cached_property
    def level(self) -> Batch[tuple[int, int], Any]:
        return self._batch(inventory.levels_by_key)

    @cached_property
    def states_of_level(self) -> Batch[tuple[int, int], Any]:
        return self._batch(explain.states_by_level)

    @cached_property
    def terms_of_level(self) -> Batch[tuple[int, int], Any]:
        return self._batch(availability.by_level)

    @cached_property
    def cart(self) -> Batch[Any, Any]:
        return self._batch(carts.by_id, actor=self._actor)

    @cached_property
    def order(self) -> Batch[Any, Any]:
        return self._batch(orders.by_id, actor=self._actor)

    @cached_property
    def order_of_cart(self) -> Batch[Any, Any]:
        return self._batch(orders.by_cart)

    @cached_property
    def lines_of_order(self) -> Batch[Any, Any]:
        return self._batch(orders.lines)

    @cached_property
    def order_line(self) -> Batch[Any, Any]:
        return self._batch(orders.lines_by_id)

    @cached_property
    def payments_of_order(self) -> Batch[Any, Any]:
        return self._batch(orders.payments)

    @cached_property
    def payment(self) -> Batch[Any, Any]:
        return self._batch(orders.payments_by_id, actor=self._actor)

    @cached_property
    def refunds_of_order(self) -> Batch[Any, Any]:
        return self._batch(payment_operations.refunds)

    @cached_property
    def promotions_of_order(self) -> Batch[Any, Any]:
        return self._batch(orders.promotions)

    @cached_property
    def tax_lines_of_order(self) -> Batch[Any, Any]:
        return self._batch(orders.tax_lines)

    @cached_property
    def returns_of_order(self) -> Batch[Any, Any]:
        return self._batch(orders.returns)

    @cached_property
    def order_return(self) -> Batch[Any, Any]:
        return self._batch(orders.returns_by_id, actor=self._actor)

    @cached_property
    def lines_of_return(self) -> Batch[Any, Any]:
        return self._batch(orders.lines_of_returns)

    @cached_property
    def timeline_of_order(self) -> Batch[Any, Any]:
        return self._batch(orders.timeline)

    @cached_property
    def fulfillments_of_order(self) -> Batch[Any, Any]:
        return self._batch(fulfillments.by_order)

    @cached_property
    def fulfillment(self) -> Batch[Any, Any]:
        return self._batch(fulfillments.by_id, actor=self._actor)

    @cached_property
    def lines_of_fulfillment(self) -> Batch[Any, Any]:
        return self._batch(fulfillments.lines)

    def price(self, channel_id: int, currency: str) -> Batch[int, int]:
        """Prices of variants in a channel; a store's own prices are for its terminals."""
        location_id = self._actor.location_id if channel_id == self._actor.channel_id else None
        return self._of_channel("price", channel_id, prices.now_by_variant, currency=currency, location_id=location_id)

    def available(self, channel_id: int) -> Batch[int, int]:
        return self._of_channel("available", channel_id, inventory.available_by_variant)

    def supply(self, channel_id: int) -> Batch[int, Any]:
        return self._of_channel("supply", channel_id, inventory.supply_by_variant)

    def _of_channel(self, what: str, channel_id: int, read: Any, **given: Any) -> Batch[int, Any]:
        key = (what, channel_id)
        if key not in self._by_channel:
            self._by_channel[key] = self._batch(read, channel_id=channel_id, **given)
        return self._by_channel[key]
