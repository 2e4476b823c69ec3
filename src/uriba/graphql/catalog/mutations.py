"""Mutations of master data: upserts by natural key, all or none."""

from __future__ import annotations

from datetime import datetime

import strawberry

from uriba.catalog import channels, locations, products
from uriba.catalog.channels import ChannelRow, IssuerRow, TaxRateRow
from uriba.catalog.enums import Capture, ChannelKind, LocationKind
from uriba.catalog.locations import LocationRow
from uriba.catalog.products import ProductRow, VariantRow
from uriba.core.money import Rounding
from uriba.graphql.context import Info
from uriba.graphql.permissions import CATALOG_SCOPE, mutation
from uriba.graphql.scalars import DecimalString, MoneyInput, UserError
from uriba.pricing import prices
from uriba.pricing.prices import PriceRow

TaxRounding = strawberry.enum(
    Rounding,
    name="TaxRounding",
    description="How tax is rounded to a minor unit, once per rate.",
)


@strawberry.type(description="The number of rows in the call. Either all of them were written, or none.")
class UpsertPayload:
    count: int = 0
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input
class TaxRateInput:
    tax_class: str
    rate: DecimalString


@strawberry.input(
    description="The seller that a channel's documents name. In Japan the registration number is T and 13 digits."
)
class IssuerInput:
    name: str
    registration_number: str | None = None
    address: str | None = None
    phone: str | None = None


@strawberry.input
class ChannelInput:
    code: str
    name: str
    kind: ChannelKind
    currency: str
    locations: list[str]
    tax_rates: list[TaxRateInput]
    prices_include_tax: bool = True
    shipping_price: DecimalString = DecimalString("0")
    tax_rounding: TaxRounding = Rounding.HALF_UP  # type: ignore[valid-type]
    capture: Capture = strawberry.field(
        default=Capture.AT_CHECKOUT, description="When an authorized payment is captured."
    )
    split_limit: int | None = strawberry.field(
        default=None, description="The most shipments of one order. Null: no limit."
    )
    return_window_days: int | None = strawberry.field(
        default=None, description="Days after handover in which a return needs no approval of staff. Null: no limit."
    )
    return_approval_above: DecimalString | None = strawberry.field(
        default=None, description="Refunds above this amount need approval of staff. Null: no limit."
    )
    points_per_unit: DecimalString = strawberry.field(
        default=DecimalString("0"), description="Loyalty points for each major unit of money paid."
    )
    point_value: DecimalString = strawberry.field(
        default=DecimalString("0"), description="The value of a loyalty point; 0: the channel does not accept points."
    )
    issuer: IssuerInput | None = None


@strawberry.input
class LocationInput:
    code: str
    name: str
    kind: LocationKind
    timezone: str = "UTC"
    offers_pickup: bool = False
    ships_orders: bool = False
    region: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    address: str | None = None
    phone: str | None = None
    pickup_ready_minutes: int = strawberry.field(
        default=60, description="Minutes from an order until its goods are ready for pickup."
    )
    pickup_hold_days: int = strawberry.field(default=7, description="Days for which goods that are ready are held.")
    opening_hours: str | None = strawberry.field(
        default=None,
        description="In the location's time zone: 09:00-21:00, or 22:00-05:00 past midnight. Null: the hub's default.",
    )


@strawberry.input
class VariantInput:
    sku: str
    name: str
    barcode: str | None = None
    tax_class: str = "standard"
    discontinued: bool = False


@strawberry.input
class ProductInput:
    handle: str
    name: str
    variants: list[VariantInput]
    description: str | None = None
    brand: str | None = None
    category: str | None = None


@strawberry.input
class PriceInput:
    sku: str
    amount: MoneyInput
    channel: str | None = None
    location: str | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None


@strawberry.type
class CatalogMutations:
    @mutation(CATALOG_SCOPE, "Create or change channels, by code.")
    async def channels_upsert(self, info: Info, channels: list[ChannelInput]) -> UpsertPayload:
        async with info.context.transaction() as session:
            return UpsertPayload(count=await upsert_channels(session, [_channel(row) for row in channels]))

    @mutation(CATALOG_SCOPE, "Create or change locations, by code.")
    async def locations_upsert(self, info: Info, locations: list[LocationInput]) -> UpsertPayload:
        async with info.context.transaction() as session:
            return UpsertPayload(count=await upsert_locations(session, [LocationRow(**vars(r)) for r in locations]))

    @mutation(CATALOG_SCOPE, "Create or change products and their variants, by handle and SKU.")
    async def products_upsert(self, info: Info, products: list[ProductInput]) -> UpsertPayload:
        async with info.context.transaction() as session:
            return UpsertPayload(count=await upsert_products(session, [_product(row) for row in products]))

    @mutation(CATALOG_SCOPE, "Create or change prices, by SKU, channel, location and start of validity.")
    async def prices_upsert(self, info: Info, prices: list[PriceInput]) -> UpsertPayload:
        async with info.context.transaction() as session:
            return UpsertPayload(count=await upsert_prices(session, [_price(row) for row in prices]))


upsert_channels = channels.upsert
upsert_locations = locations.upsert
upsert_products = products.upsert
upsert_prices = prices.upsert


def _channel(row: ChannelInput) -> ChannelRow:
    values = vars(row) | {
        "tax_rates": [TaxRateRow(**vars(rate)) for rate in row.tax_rates],
        "issuer": IssuerRow(**vars(row.issuer)) if row.issuer else None,
    }
    return ChannelRow(**values)


def _product(row: ProductInput) -> ProductRow:
    return ProductRow(**(vars(row) | {"variants": [VariantRow(**vars(variant)) for variant in row.variants]}))


def _price(row: PriceInput) -> PriceRow:
    return PriceRow(**(vars(row) | vars(row.amount)))
