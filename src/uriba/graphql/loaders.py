"""Batch loaders: the keys that many fields load are read in one query. Made anew for each request and each event."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cached_property, partial
from typing import Any, Generic, TypeVar
from uuid import UUID

from strawberry.dataloader import DataLoader

from uriba.cart import queries as carts
from uriba.catalog import channels, locations
from uriba.catalog import queries as catalog
from uriba.core.actor import Actor
from uriba.customers import customers
from uriba.db import Database, Session
from uriba.fulfillment import queries as fulfillments
from uriba.inventory import explain
from uriba.inventory import queries as inventory
from uriba.orders import queries as orders
from uriba.pricing import prices
from uriba.stored_value import queries as stored_value
from uriba.stored_value.queries import PointsBalance
from uriba.webhooks import deliveries

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BatchLoader(Generic[K, V]):
    """Loads values by key, in batches. Preloaded values need no awaiting."""

    def __init__(
        self,
        database: Database,
        read: Callable[[Session, list[K]], Awaitable[Mapping[K, V]]],
        *,
        open_session: Callable[[], AbstractAsyncContextManager[Session]] | None = None,
    ) -> None:
        """`open_session`: opens the session of each batch; `Database.reading` by default."""
        self._open_session = open_session or database.reading
        self._read = read
        self._loaded: dict[K, V | None] = {}
        self._loader: DataLoader[K, V | None] = DataLoader(load_fn=self._load)

    def load(self, key: K) -> V | Awaitable[V | None] | None:
        """Return the value if it is preloaded, else an awaitable of it; None is the value of an unknown key."""
        return self._loaded[key] if key in self._loaded else self._loader.load(key)

    async def get(self, key: K) -> V | None:
        return self._loaded[key] if key in self._loaded else await self._loader.load(key)

    async def preload(self, session: Session, keys: Sequence[K]) -> Mapping[K, V]:
        """Read the values of these keys now."""
        found = await self._read(session, list(keys))
        for key in keys:
            self._loaded[key] = found.get(key)
        return found

    async def _load(self, keys: list[K]) -> list[V | None]:
        async with self._open_session() as session:
            found = await self._read(session, keys)
        return [found.get(key) for key in keys]


class Loaders:
    """All loaders of one request. Loaders of private rows pass the actor to their query."""

    def __init__(self, database: Database, actor: Actor) -> None:
        self._database = database
        self._actor = actor
        self._by_channel: dict[tuple[str, int], BatchLoader[int, Any]] = {}

    def _batch(self, read: Callable[..., Awaitable[Mapping[Any, Any]]], **arguments: Any) -> BatchLoader[Any, Any]:
        return BatchLoader(self._database, partial(read, **arguments) if arguments else read)

    @cached_property
    def channel(self) -> BatchLoader[int, Any]:
        return self._batch(channels.by_id)

    @cached_property
    def location(self) -> BatchLoader[int, Any]:
        return self._batch(locations.by_id)

    @cached_property
    def locations_of_channel(self) -> BatchLoader[int, Any]:
        return self._batch(locations.by_channel)

    @cached_property
    def product(self) -> BatchLoader[int, Any]:
        return self._batch(catalog.products_by_id)

    @cached_property
    def variant(self) -> BatchLoader[int, Any]:
        return self._batch(catalog.variants_by_id)

    @cached_property
    def variants_of_product(self) -> BatchLoader[int, Any]:
        return self._batch(catalog.variants_by_product)

    @cached_property
    def customer(self) -> BatchLoader[Any, Any]:
        return self._batch(customers.by_id)

    @cached_property
    def points_of_customer(self) -> BatchLoader[UUID, PointsBalance]:
        return self._batch(stored_value.balances_by_customer)

    @cached_property
    def attempts_of_delivery(self) -> BatchLoader[int, Any]:
        return self._batch(deliveries.attempts_by_delivery)

    @cached_property
    def lag_of_endpoint(self) -> BatchLoader[Any, Any]:
        return self._batch(deliveries.lag_by_endpoint)

    @cached_property
    def level(self) -> BatchLoader[tuple[int, int], Any]:
        return self._batch(inventory.levels_by_key)

    @cached_property
    def states_of_level(self) -> BatchLoader[tuple[int, int], Any]:
        return self._batch(explain.states_by_level)

    @cached_property
    def terms_of_level(self) -> BatchLoader[tuple[int, int], Any]:
        return BatchLoader(self._database, fulfillments.availability_by_level, open_session=self._database.snapshot)

    @cached_property
    def cart(self) -> BatchLoader[Any, Any]:
        return self._batch(carts.by_id, actor=self._actor)

    @cached_property
    def order(self) -> BatchLoader[Any, Any]:
        return self._batch(orders.by_id, actor=self._actor)

    @cached_property
    def order_of_cart(self) -> BatchLoader[Any, Any]:
        return self._batch(orders.by_cart)

    @cached_property
    def lines_of_order(self) -> BatchLoader[Any, Any]:
        return self._batch(orders.lines_by_order)

    @cached_property
    def order_line(self) -> BatchLoader[Any, Any]:
        return self._batch(orders.lines_by_id)

    @cached_property
    def payments_of_order(self) -> BatchLoader[Any, Any]:
        return self._batch(orders.payments_by_order)

    @cached_property
    def payment(self) -> BatchLoader[Any, Any]:
        return self._batch(orders.payments_by_id, actor=self._actor)

    @cached_property
    def refunds_of_order(self) -> BatchLoader[Any, Any]:
        return self._batch(orders.refunds_by_order)

    @cached_property
    def promotions_of_order(self) -> BatchLoader[Any, Any]:
        return self._batch(orders.promotions_by_order)

    @cached_property
    def tax_lines_of_order(self) -> BatchLoader[Any, Any]:
        return self._batch(orders.tax_lines_by_order)

    @cached_property
    def returns_of_order(self) -> BatchLoader[Any, Any]:
        return self._batch(orders.returns_by_order)

    @cached_property
    def order_return(self) -> BatchLoader[Any, Any]:
        return self._batch(orders.returns_by_id, actor=self._actor)

    @cached_property
    def lines_of_return(self) -> BatchLoader[Any, Any]:
        return self._batch(orders.lines_by_return)

    @cached_property
    def timeline_of_order(self) -> BatchLoader[Any, Any]:
        return self._batch(orders.timeline_by_order)

    @cached_property
    def fulfillments_of_order(self) -> BatchLoader[Any, Any]:
        return self._batch(fulfillments.by_order)

    @cached_property
    def fulfillment(self) -> BatchLoader[Any, Any]:
        return self._batch(fulfillments.by_id, actor=self._actor)

    @cached_property
    def lines_of_fulfillment(self) -> BatchLoader[Any, Any]:
        return self._batch(fulfillments.lines_by_fulfillment)

    def price(self, channel_id: int, currency: str) -> BatchLoader[int, int]:
        """Return the loader of prices in a channel, by variant; a terminal's are those of its own store."""
        location_id = self._actor.location_id if channel_id == self._actor.channel_id else None
        return self._for_channel("price", channel_id, prices.now_by_variant, currency=currency, location_id=location_id)

    def available(self, channel_id: int) -> BatchLoader[int, int]:
        return self._for_channel("available", channel_id, inventory.available_by_variant)

    def supply(self, channel_id: int) -> BatchLoader[int, Any]:
        return self._for_channel("supply", channel_id, inventory.supply_by_variant)

    def _for_channel(self, name: str, channel_id: int, read: Any, **arguments: Any) -> BatchLoader[int, Any]:
        key = (name, channel_id)
        if key not in self._by_channel:
            self._by_channel[key] = self._batch(read, channel_id=channel_id, **arguments)
        return self._by_channel[key]
