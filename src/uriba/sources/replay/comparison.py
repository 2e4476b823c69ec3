"""Comparison of hub and source after a replay: basket by basket, product by product, to the unit and the cent.

The hub's side are the completed orders with a receipt at the slice's stores. Petrol, in thousandths of a gallon, and
lines of quantity 0 are counted apart from units of goods. A level is compared with the units that the hub received less
the units that the source sold. Times are compared to two minutes, because the hub estimates the offset of a till's
clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from uriba.core.money import to_decimal
from uriba.db import Database, Session
from uriba.db.statements import statement
from uriba.sources.complete_journey import loyalty_card, sku_of
from uriba.sources.loading import CURRENCY, AddRows
from uriba.sources.replay.sale_events import SaleEvents, StoreTill
from uriba.sources.replay.sales import NO_UNIT

BASKETS_AT_ONCE = 10_000
"""Stores are compared in groups of about this many baskets, which limits the memory."""

CLOCK_TOLERANCE_S = 120


class BasketFigures(NamedTuple):
    """A basket or its order: the customer's card, the number of lines and of units, and the total."""

    loyalty_card: str | None
    lines: int
    units: int
    cents: int


class ProductFigures(NamedTuple):
    """The sales of a product at a store."""

    units: int
    cents: int


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """The figures of one store on one side.

    `baskets` and `seconds` (the time of sale) are by receipt; `products` and `levels` (units on hand) by SKU.
    """

    baskets: dict[str, BasketFigures]
    seconds: dict[str, float]
    products: dict[str, ProductFigures]
    levels: dict[str, int]


@dataclass(frozen=True, slots=True)
class HubFigures:
    """The hub's figures of a store, and the units of each SKU that it had received before its first sale."""

    figures: StoreFigures
    opening_stock: dict[str, int]


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """A row of the result: a figure of the source and of the hub."""

    title: str
    source: str
    hub: str
    equal: bool


@dataclass(slots=True)
class Comparison:
    """The sums over all stores of both sides, and the number of differences in what is compared one by one."""

    petrol: frozenset[str]
    source: Counter[str] = field(default_factory=Counter)
    hub: Counter[str] = field(default_factory=Counter)
    source_cards: Counter[str | None] = field(default_factory=Counter)
    hub_cards: Counter[str | None] = field(default_factory=Counter)
    differences: Counter[str] = field(default_factory=Counter)

    def add(self, source: StoreFigures, hub: StoreFigures) -> None:
        """Add the figures of a store."""
        self.source.update(_sums(source, self.petrol))
        self.hub.update(_sums(hub, self.petrol))
        self.source_cards.update(basket.loyalty_card for basket in source.baskets.values())
        self.hub_cards.update(basket.loyalty_card for basket in hub.baskets.values())
        self.differences["stores"] += len(source.baskets) != len(hub.baskets)
        self.differences["baskets"] += _count_differences(source.baskets, hub.baskets)
        self.differences["times"] += sum(
            abs(hub.seconds.get(receipt, 0) - second) > CLOCK_TOLERANCE_S for receipt, second in source.seconds.items()
        )
        self.differences["products"] += _count_differences(source.products, hub.products)
        self.differences["levels"] += _count_differences(source.levels, hub.levels)

    def rows(self) -> Iterator[ComparisonRow]:
        """Yield the rows of the result."""
        for title, name in SUMS.items():
            write = _dollars if name == "cents" else _number
            equal = self.source[name] == self.hub[name]
            yield ComparisonRow(title, write(self.source[name]), write(self.hub[name]), equal)
        different_households = _count_differences(self.source_cards, self.hub_cards)
        yield _one_by_one("orders of each household", len(self.source_cards), different_households)
        for title, (size, differences) in ONE_BY_ONE.items():
            yield _one_by_one(title, self.source[size], self.differences[differences])


SUMS = {
    "stores that sold": "stores",
    "baskets": "baskets",
    "lines": "lines",
    "units of goods": "units",
    "lines of quantity 0": "empty",
    "petrol, thousandths of a gallon": "petrol",
    "revenue": "cents",
    "on hand, all products": "on_hand",
}
"""The rows of sums, by title."""

ONE_BY_ONE = {
    "baskets of each store": ("stores", "stores"),
    "each basket: card, lines, cents": ("baskets", "baskets"),
    "each basket: time, to 2 minutes": ("baskets", "times"),
    "each store's products: units, cents": ("products", "products"),
    "levels: opening less sold": ("levels", "levels"),
}
"""The rows of what is compared one by one, by title: the sum with their number, and the key of their differences."""


def _one_by_one(title: str, size: int, differences: int) -> ComparisonRow:
    hub = f"{size:,} equal" if not differences else f"{differences:,} differ"
    return ComparisonRow(title, f"{size:,}", hub, not differences)


def _sums(figures: StoreFigures, petrol: frozenset[str]) -> dict[str, int]:
    units = {sku: sales.units for sku, sales in figures.products.items()}
    empty_lines, petrol_units = units.get(sku_of(NO_UNIT), 0), sum(units.get(sku, 0) for sku in petrol)
    return {
        "stores": bool(figures.baskets),
        "baskets": len(figures.baskets),
        "lines": sum(basket.lines for basket in figures.baskets.values()),
        "units": sum(units.values()) - empty_lines - petrol_units,
        "empty": empty_lines,
        "petrol": petrol_units,
        "cents": sum(basket.cents for basket in figures.baskets.values()),
        "products": len(figures.products),
        "levels": len(figures.levels),
        "on_hand": sum(figures.levels.values()),
    }


def _count_differences(source: Mapping[Any, object], hub: Mapping[Any, object]) -> int:
    return sum(source.get(key) != hub.get(key) for key in source.keys() | hub.keys())


def _number(value: int) -> str:
    return f"{value:,}"


def _dollars(cents: int) -> str:
    return f"{Decimal(to_decimal(cents, CURRENCY)):,}"


async def compare(
    database: Database, events: SaleEvents, *, petrol: frozenset[str], add_rows: AddRows
) -> list[ComparisonRow]:
    """Compare hub and source, some stores at a time."""
    comparison = Comparison(petrol)
    for tills in _groups(events.tills):
        async with database.reading() as session:
            hub = await _hub_figures(session, [till.store for till in tills])
        for till in tills:
            of_store = hub[till.store]
            comparison.add(_source_figures(events, till, of_store.opening_stock), of_store.figures)
            add_rows(len(till.baskets))
    return list(comparison.rows())


async def compare_coupons(database: Database, events: SaleEvents) -> ComparisonRow:
    """Compare the redeemed coupons, each with the basket that it was used with."""
    async with database.reading() as session:
        rows = await session.fetch(_REDEMPTIONS)
    receipts = events.baskets["receipt"]
    source = {(str(receipts[basket]), code) for basket, codes in events.coupons.items() for code in codes}
    hub = {(row["receipt"], row["code"]) for row in rows}
    return ComparisonRow("coupons redeemed", f"{len(source):,}", f"{len(hub):,}", source == hub)


def _groups(tills: Sequence[StoreTill]) -> Iterator[list[StoreTill]]:
    group: list[StoreTill] = []
    for till in tills:
        group.append(till)
        if sum(len(one.baskets) for one in group) >= BASKETS_AT_ONCE:
            yield group
            group = []
    if group:
        yield group


def _source_figures(events: SaleEvents, till: StoreTill, opening_stock: Mapping[str, int]) -> StoreFigures:
    own = events.baskets.slice(till.baskets.start, len(till.baskets)).to_pydict()
    receipts = [str(number) for number in own["receipt"]]
    baskets = map(BasketFigures, map(loyalty_card, own["household"]), own["lines"], own["units"], own["cents"])
    products = {sku_of(number): ProductFigures(*sales) for number, sales in events.sold(till).items()}
    sold = {sku: sales.units for sku, sales in products.items()}
    # Products that the store has but did not sell are expected to be unchanged.
    levels = {sku: opening_stock.get(sku, 0) - sold.get(sku, 0) for sku in sold.keys() | opening_stock.keys()}
    return StoreFigures(
        baskets=dict(zip(receipts, baskets, strict=True)),
        seconds=dict(zip(receipts, own["seconds"], strict=True)),
        products=products,
        levels=levels,
    )


async def _hub_figures(session: Session, stores: Sequence[str]) -> dict[str, HubFigures]:
    by_store = {store: HubFigures(StoreFigures({}, {}, {}, {}), {}) for store in stores}
    for row in await session.fetch(_ORDERS, stores=stores):
        figures, receipt = by_store[row["store"]].figures, row["receipt"]
        while receipt in figures.baskets:
            receipt += " again"  # A second order of the same basket is counted as a difference.
        figures.baskets[receipt] = BasketFigures(row["loyalty_card"], row["lines"], row["units"], row["total_minor"])
        figures.seconds[receipt] = row["placed_at"].timestamp()
    for row in await session.fetch(_PRODUCTS_SOLD, stores=stores):
        by_store[row["store"]].figures.products[row["sku"]] = ProductFigures(row["units"], row["cents"])
    for row in await session.fetch(_LEVELS, stores=stores):
        by_store[row["store"]].figures.levels[row["sku"]] = row["on_hand"]
        by_store[row["store"]].opening_stock[row["sku"]] = row["opening"]
    return by_store


_ORDERS = statement("""
    SELECT s.code AS store, o.receipt, c.loyalty_card, o.total_minor, o.placed_at, l.lines, l.units FROM orders o
    JOIN location s ON s.id = o.location_id LEFT JOIN customer c ON c.id = o.customer_id
    CROSS JOIN LATERAL (SELECT count(*) AS lines, coalesce(sum(quantity), 0)::bigint AS units
        FROM order_line WHERE order_id = o.id) l
    WHERE s.code = ANY(:stores) AND o.receipt IS NOT NULL AND o.status = 'COMPLETED'
""")

_PRODUCTS_SOLD = statement("""
    SELECT s.code AS store, l.sku, sum(l.quantity)::bigint AS units, sum(l.total_minor)::bigint AS cents FROM orders o
    JOIN location s ON s.id = o.location_id JOIN order_line l ON l.order_id = o.id
    WHERE s.code = ANY(:stores) AND o.receipt IS NOT NULL AND o.status = 'COMPLETED' GROUP BY s.code, l.sku
""")

_LEVELS = statement("""
    SELECT s.code AS store, v.sku, l.on_hand, (
        SELECT coalesce(sum(m.on_hand_delta), 0)::bigint FROM stock_movement m
        WHERE m.variant_id = l.variant_id AND m.location_id = l.location_id AND m.reason = 'IMPORT'
    ) AS opening
    FROM stock_level l JOIN location s ON s.id = l.location_id JOIN variant v ON v.id = l.variant_id
    WHERE s.code = ANY(:stores)
""")

_REDEMPTIONS = statement("""
    SELECT o.receipt, c.code FROM coupon_redemption r JOIN coupon c ON c.id = r.coupon_id
    JOIN orders o ON o.id = r.order_id WHERE r.reversed_at IS NULL AND o.receipt IS NOT NULL
""")
