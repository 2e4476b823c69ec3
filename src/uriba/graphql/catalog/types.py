"""Types of the catalog: channels, locations, products, variants, prices and availability."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from uriba.catalog.enums import Capture, ChannelKind, LocationKind
from uriba.core.ids import global_id
from uriba.core.pages import check_first
from uriba.graphql.context import Info
from uriba.graphql.hub import ChannelRef
from uriba.graphql.permissions import RETAILER
from uriba.graphql.scalars import DecimalString, Money, Node, PageInfo, money_of
from uriba.inventory.availability_status import AvailabilityStatus, availability_status, pickup_supply

if TYPE_CHECKING:
    from uriba.graphql.inventory.types import StockLevelConnection

strawberry.enum(ChannelKind, description="The kind of a channel.")
strawberry.enum(LocationKind, description="The kind of a location.")
strawberry.enum(Capture, description="When an authorized payment is captured.")


strawberry.enum(AvailabilityStatus, description="How available a variant is, in one word.")


@strawberry.type(description="A place that holds stock: a store or a warehouse.")
class Location(Node):
    id: strawberry.ID
    code: str
    name: str
    kind: LocationKind
    timezone: str
    offers_pickup: bool
    ships_orders: bool
    region: str | None
    latitude: float | None
    longitude: float | None
    address: str | None
    phone: str | None
    pickup_ready_minutes: int
    pickup_hold_days: int
    opening_hours: str | None = strawberry.field(
        description="In the location's time zone, such as 09:00-21:00. Null: the hub's default."
    )


def location_of(row: Mapping[str, Any]) -> Location:
    return Location(
        id=strawberry.ID(global_id("Location", row["id"])),
        code=row["code"],
        name=row["name"],
        kind=LocationKind(row["kind"]),
        timezone=row["timezone"],
        offers_pickup=row["offers_pickup"],
        ships_orders=row["ships_orders"],
        region=row["region"],
        latitude=row["latitude"],
        longitude=row["longitude"],
        address=row["address"],
        phone=row["phone"],
        pickup_ready_minutes=row["pickup_ready_minutes"],
        pickup_hold_days=row["pickup_hold_days"],
        opening_hours=row["opening_hours"],
    )


async def load_location(info: Info, location_id: int) -> Location:
    return location_of(await info.context.loaders.location.get(location_id))  # type: ignore[arg-type]


@strawberry.type(description="A channel through which customers buy: an app, a web shop, the stores, a marketplace.")
class Channel(Node):
    key: strawberry.Private[int]
    id: strawberry.ID
    code: str
    name: str
    kind: ChannelKind
    currency: str
    prices_include_tax: bool
    capture: Capture
    split_limit: int | None
    return_window_days: int | None
    return_approval_above: Money | None
    points_per_unit: DecimalString
    point_value: Money

    @strawberry.field(description="The locations whose stock this channel may promise, in order of preference.")
    async def locations(self, info: Info) -> list[Location]:
        rows = await info.context.loaders.locations_of_channel.get(self.key)
        return [location_of(row) for row in rows or ()]


def channel_of(row: Mapping[str, Any]) -> Channel:
    above = row["return_approval_minor"]
    return Channel(
        key=row["id"],
        id=strawberry.ID(global_id("Channel", row["id"])),
        code=row["code"],
        name=row["name"],
        kind=ChannelKind(row["kind"]),
        currency=row["currency"],
        prices_include_tax=row["prices_include_tax"],
        capture=Capture(row["capture"]),
        split_limit=row["split_limit"],
        return_window_days=row["return_window_days"],
        return_approval_above=None if above is None else money_of(above, row["currency"]),
        points_per_unit=DecimalString(f"{row['points_per_unit'].normalize():f}"),
        point_value=money_of(row["point_value_minor"], row["currency"]),
    )


async def load_channel(info: Info, channel_id: int) -> Channel:
    return channel_of(await info.context.loaders.channel.get(channel_id))  # type: ignore[arg-type]


@strawberry.type(description="The quantity that one location can promise.")
class LocationAvailability:
    location: Location
    quantity: int
    status: AvailabilityStatus


@strawberry.type(
    description="The quantity that a channel can promise now. It is not reserved: only checkout reserves stock."
)
class Availability:
    variant_key: strawberry.Private[int]
    channel_key: strawberry.Private[int]
    status: AvailabilityStatus
    quantity: int = strawberry.field(description="Units at all of the channel's locations.")

    @strawberry.field(description="Locations that offer pickup and have units, in order of preference.")
    async def pickup(self, info: Info, first: int | None = 10) -> list[LocationAvailability]:
        limit = check_first(10 if first is None else first)
        rows = await info.context.loaders.supply(self.channel_key).get(self.variant_key)
        low_stock = info.context.hub.settings.low_stock
        return [
            LocationAvailability(
                location=await load_location(info, row["location_id"]),
                quantity=row["quantity"],
                status=availability_status(row["quantity"], low_stock=low_stock),
            )
            for row in pickup_supply(rows or ())[:limit]
        ]


@strawberry.type(description="A product, as customers browse it. Its variants are what they buy.")
class Product(Node):
    key: strawberry.Private[int]
    channel_code: strawberry.Private[str | None]
    id: strawberry.ID
    handle: str
    name: str
    description: str | None
    brand: str | None
    category: str | None

    @strawberry.field(description="The variants that can be bought.")
    def variants(self, info: Info) -> list[Variant]:
        found = info.context.loaders.variants_of_product.load(self.key)
        if isinstance(found, Awaitable):
            return _await_variants(found, self.channel_code)  # type: ignore[return-value]
        return [variant_of(row, self.channel_code) for row in found or ()]


async def _await_variants(found: Awaitable[Any], channel_code: str | None) -> list[Variant]:
    return [variant_of(row, channel_code) for row in await found or ()]


def product_of(row: Mapping[str, Any], channel_code: str | None = None) -> Product:
    """Return the API's object of a product. `channel_code`: the default of `price` and `availability`."""
    return Product(
        key=row["id"],
        channel_code=channel_code,
        id=strawberry.ID(global_id("Product", row["id"])),
        handle=row["handle"],
        name=row["name"],
        description=row["description"],
        brand=row["brand"],
        category=row["category"],
    )


@strawberry.type(description="One item that can be bought, with its own SKU.")
class Variant(Node):
    key: strawberry.Private[int]
    product_key: strawberry.Private[int]
    channel_code: strawberry.Private[str | None]
    id: strawberry.ID
    sku: str
    barcode: str | None
    name: str
    tax_class: str
    discontinued: bool = strawberry.field(
        description="No longer sold: it cannot be added to carts, and lines with it cannot be checked out."
    )

    @strawberry.field(description="The product that the variant belongs to.")
    def product(self, info: Info) -> Product:
        found = info.context.loaders.product.load(self.product_key)
        if isinstance(found, Awaitable):
            return _await_product(found, self.channel_code)  # type: ignore[return-value]
        return product_of(found, self.channel_code)  # type: ignore[arg-type]

    @strawberry.field(description="The price that is valid now. Null: the channel does not sell it.")
    def price(self, info: Info, channel: str | None = None) -> Money | None:
        known = info.context.known_channel(channel or self.channel_code)
        if known is None:
            return self._load_price(info, channel or self.channel_code)  # type: ignore[return-value]
        found = info.context.loaders.price(known.id, known.currency).load(self.key)
        if isinstance(found, Awaitable):
            return _await_price(found, known.currency)  # type: ignore[return-value]
        return None if found is None else money_of(found, known.currency)

    async def _load_price(self, info: Info, channel: str | None) -> Money | None:
        known = await info.context.channel(channel)
        found = await info.context.loaders.price(known.id, known.currency).get(self.key)
        return None if found is None else money_of(found, known.currency)

    @strawberry.field(description="The quantity that the channel can promise now.")
    def availability(self, info: Info, channel: str | None = None) -> Availability:
        known = info.context.known_channel(channel or self.channel_code)
        if known is None:
            return self._load_availability(info, channel or self.channel_code)  # type: ignore[return-value]
        found = info.context.loaders.available(known.id).load(self.key)
        if isinstance(found, Awaitable):
            return self._await_availability(info, known, found)  # type: ignore[return-value]
        return self._availability(info, known, found or 0)

    async def _load_availability(self, info: Info, channel: str | None) -> Availability:
        known = await info.context.channel(channel)
        return self._availability(info, known, await info.context.loaders.available(known.id).get(self.key) or 0)

    async def _await_availability(self, info: Info, channel: ChannelRef, found: Awaitable[int | None]) -> Availability:
        return self._availability(info, channel, await found or 0)

    def _availability(self, info: Info, channel: ChannelRef, quantity: int) -> Availability:
        return Availability(
            variant_key=self.key,
            channel_key=channel.id,
            status=availability_status(quantity, low_stock=info.context.hub.settings.low_stock),
            quantity=quantity,
        )

    @strawberry.field(description="The stock at each location. For terminals, apps and staff.")
    async def stock_levels(
        self, info: Info, first: int | None = 20, after: str | None = None
    ) -> Annotated[StockLevelConnection, strawberry.lazy("uriba.graphql.inventory.types")]:
        from uriba.graphql.inventory.types import page_of_levels

        RETAILER.check(info.context.actor)
        return await page_of_levels(
            info, variant_ids=[self.key], location_id=None, first=20 if first is None else first, after=after
        )


async def _await_product(found: Awaitable[Any], channel_code: str | None) -> Product:
    return product_of(await found, channel_code)


async def _await_price(found: Awaitable[int | None], currency: str) -> Money | None:
    minor = await found
    return None if minor is None else money_of(minor, currency)


def variant_of(row: Mapping[str, Any], channel_code: str | None = None) -> Variant:
    """Return the API's object of a variant from a row with its columns. In a row of a line the id is `variant_id`."""
    key = row["variant_id"] if "line_id" in row else row["id"]
    return Variant(
        key=key,
        product_key=row["product_id"],
        channel_code=channel_code,
        id=strawberry.ID(global_id("Variant", key)),
        sku=row["sku"],
        barcode=row["barcode"],
        name=row["name"],
        tax_class=row["tax_class"],
        discontinued=row["discontinued"],
    )


async def load_variant(info: Info, variant_id: int, channel_code: str | None = None) -> Variant:
    return variant_of(await info.context.loaders.variant.get(variant_id), channel_code)  # type: ignore[arg-type]


@strawberry.type
class ProductEdge:
    node: Product
    cursor: str


@strawberry.type
class ProductConnection:
    edges: list[ProductEdge]
    page_info: PageInfo


@strawberry.type
class LocationEdge:
    node: Location
    cursor: str


@strawberry.type
class LocationConnection:
    edges: list[LocationEdge]
    page_info: PageInfo
