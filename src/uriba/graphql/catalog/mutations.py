"""Master data: upserts by natural key, all or none."""

from __future__ import annotations

from datetime import datetime

import strawberry

from uriba.catalog import channels, locations, products
from uriba.catalog.channels import ChannelRow, Rate
from uriba.catalog.locations import LocationRow
from uriba.catalog.models import ChannelKind, LocationKind
from uriba.catalog.products import ProductRow, VariantRow
from uriba.core.money import Rounding
from uriba.graphql.context import Info
from uriba.graphql.permissions import MASTER_DATA, mutation
from uriba.graphql.scalars import DecimalString, MoneyInput, UserError
from uriba.pricing import prices
from uriba.pricing.prices import PriceRow

TaxRounding = strawberry.enum(
    Rounding,
    name="TaxRounding",
    description="How a fraction of a minor unit of tax becomes whole, once per rate.",
)


@strawberry.type(description="How many rows were given; all of them stand, or none.")
class UpsertPayload:
    count: int = 0
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input
class TaxRateInput:
    tax_class: str
    rate: DecimalString


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


@strawberry.input
class LocationInput:
    code: str
    name: str
    kind: LocationKind
    timezone: str = "UTC"
    offers_pickup: bool = False
    ships_orders: bool = False


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
    @mutation(MASTER_DATA, "Make or change channels, by code.")
    async def channels_upsert(self, info: Info, channels: list[ChannelInput]) -> UpsertPayload:
        async with info.context.transaction() as session:
            return UpsertPayload(count=await upsert_channels(session, [_channel(row) for row in channels]))

    @mutation(MASTER_DATA, "Make or change locations, by code.")
    async def locations_upsert(self, info: Info, locations: list[LocationInput]) -> UpsertPayload:
        async with info.context.transaction() as session:
            return UpsertPayload(count=await upsert_locations(session, [LocationRow(**vars(r)) for r in locations]))

    @mutation(MASTER_DATA, "Make or change products and their variants, by handle and SKU.")
    async def products_upsert(self, info: Info, products: list[ProductInput]) -> UpsertPayload:
        async with info.context.transaction() as session:
            return UpsertPayload(count=await upsert_products(session, [_product(row) for row in products]))

    @mutation(MASTER_DATA, "Make or change prices, by SKU, channel, location and begin.")
    async def prices_upsert(self, info: Info, prices: list[PriceInput]) -> UpsertPayload:
        async with info.context.transaction() as session:
            return UpsertPayload(count=await upsert_prices(session, [_price(row) for row in prices]))


upsert_channels = channels.upsert
upsert_locations = locations.upsert
upsert_products = products.upsert
upsert_prices = prices.upsert


def _channel(row: ChannelInput) -> ChannelRow:
    given = vars(row) | {"tax_rates": [Rate(**vars(rate)) for rate in row.tax_rates]}
    return ChannelRow(**given)


def _product(row: ProductInput) -> ProductRow:
    return ProductRow(**(vars(row) | {"variants": [VariantRow(**vars(variant)) for variant in row.variants]}))


def _price(row: PriceInput) -> PriceRow:
    return PriceRow(**(vars(row) | vars(row.amount)))
