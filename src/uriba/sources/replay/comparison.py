"""Whether the hub's books say what the source says: basket by basket, article by article, to the unit and the cent.

What is counted: the completed orders of the slice's stores that have a receipt are its baskets. Petrol, in thousandths
of a gallon, and lines of quantity 0 are counted apart from units of goods. A level is compared to what the hub had
received less what the source sold. Times are compared to two minutes: how far a clock is off is measured, not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from uriba.core.money import to_decimal
from uriba.db import Database, Session
from uriba.sources.complete_journey import loyalty_card, sku_of
from uriba.sources.loading import CURRENCY, ReportRows
from uriba.sources.replay.sale_events import SaleEvents, StoreTill
from uriba.sources.replay.sales import NO_UNIT

BASKETS_AT_ONCE = 10_000
"""Of as many stores as hold about so many baskets, what both sides say is in memory at a time."""

CLOCK_TOLERANCE_S = 120


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """What one side says of one store.

    `receipts`: by receipt, its card, lines, units and cents; `articles`: by SKU, units and cents.
    `levels`: by SKU, units on hand.
    """

    receipts: dict[str, tuple[str | None, int, int, int]]
    seconds: dict[str, float]
    articles: dict[str, tuple[int, int]]
    levels: dict[str, int]


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """A row of the result."""

    what: str
    source: str
    hub: str
    equal: bool


@dataclass(slots=True)
class Comparison:
    """All stores' sides, added up; of what has to be equal one by one, how much is not."""

    petrol: frozenset[str]
    source: Counter[str] = field(default_factory=Counter)
    hub: Counter[str] = field(default_factory=Counter)
    cards: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    other: Counter[str] = field(default_factory=Counter)

    def add(self, source: StoreFigures, hub: StoreFigures) -> None:
        for name, side, total in (("source", source, self.source), ("hub", hub, self.hub)):
            total.update(_totals(side, self.petrol))
            self.cards.update((name, seen[0]) for seen in side.receipts.values())
        self.other["store"] += len(source.receipts) != len(hub.receipts)
        self.other["receipt"] += _different(source.receipts, hub.receipts)
        self.other["time"] += sum(
            abs(hub.seconds.get(receipt, 0) - second) > CLOCK_TOLERANCE_S for receipt, second in source.seconds.items()
        )
        self.other["article"] += _different(source.articles, hub.articles)
        self.other["level"] += _different(source.levels, hub.levels)

    def rows(self) -> Iterator[ComparisonRow]:
        """The result, row by row."""
        for what, name in TOTALS.items():
            show = _dollars if name == "cents" else _number
            yield ComparisonRow(
                what, show(self.source[name]), show(self.hub[name]), self.source[name] == self.hub[name]
            )
        families, others = self._cards("source"), self._cards("hub")
        yield self._one_by_one("orders of each household", len(families), _different(families, others))
        for what, (counted, name) in ONE_BY_ONE.items():
            yield self._one_by_one(what, self.source[counted], self.other[name])

    def _cards(self, side: str) -> dict[str | None, int]:
        return {card: orders for (name, card), orders in self.cards.items() if name == side}

    def _one_by_one(self, what: str, size: int, different: int) -> ComparisonRow:
        equal = f"{size:,} equal" if not different else f"{different:,} differ"
        return ComparisonRow(what, f"{size:,}", equal, not different)


TOTALS = {
    "stores that sold": "stores",
    "baskets": "receipts",
    "lines": "lines",
    "units of goods": "units",
    "lines of quantity 0": "empty",
    "petrol, thousandths of a gallon": "petrol",
    "revenue": "cents",
    "on hand, all articles": "on_hand",
}
ONE_BY_ONE = {
    "baskets of each store": ("stores", "store"),
    "each basket: card, lines, cents": ("receipts", "receipt"),
    "each basket: time, to 2 minutes": ("receipts", "time"),
    "each store's articles: units, cents": ("articles", "article"),
    "levels: opening less sold": ("levels", "level"),
}


def _totals(side: StoreFigures, petrol: frozenset[str]) -> dict[str, int]:
    units = {sku: units for sku, (units, _) in side.articles.items()}
    empty, fuel = units.get(sku_of(NO_UNIT), 0), sum(units.get(sku, 0) for sku in petrol)
    return {
        "stores": bool(side.receipts),
        "receipts": len(side.receipts),
        "lines": sum(seen[1] for seen in side.receipts.values()),
        "units": sum(units.values()) - empty - fuel,
        "empty": empty,
        "petrol": fuel,
        "cents": sum(seen[3] for seen in side.receipts.values()),
        "articles": len(side.articles),
        "levels": len(side.levels),
        "on_hand": sum(side.levels.values()),
    }


def _different(source: Mapping[Any, Any], hub: Mapping[Any, Any]) -> int:
    return sum(source.get(key) != hub.get(key) for key in source.keys() | hub.keys())


def _number(value: int) -> str:
    return f"{value:,}"


def _dollars(cents: int) -> str:
    return f"{Decimal(to_decimal(cents, CURRENCY)):,}"


async def compare(
    database: Database, receipts: SaleEvents, *, petrol: frozenset[str], count: ReportRows
) -> list[ComparisonRow]:
    """Both sides' books, compared store by store."""
    books = Comparison(petrol)
    for tills in _groups(receipts.tills):
        async with database.reading() as session:
            hub = await _hub(session, [till.store for till in tills])
        for till in tills:
            said = hub[till.store]
            books.add(_source(receipts, till, said.opening), said.side)
            count(len(till.places))
    return list(books.rows())


def _groups(tills: Sequence[StoreTill]) -> Iterator[list[StoreTill]]:
    group: list[StoreTill] = []
    for till in tills:
        group.append(till)
        if sum(len(one.places) for one in group) >= BASKETS_AT_ONCE:
            yield group
            group = []
    if group:
        yield group


def _source(receipts: SaleEvents, till: StoreTill, opening: Mapping[str, int]) -> StoreFigures:
    own = receipts.baskets.slice(till.places.start, len(till.places)).to_pydict()
    numbers = [str(number) for number in own["receipt"]]
    told = zip(map(loyalty_card, own["household"]), own["lines"], own["units"], own["cents"], strict=True)
    articles = {sku_of(number): sold for number, sold in receipts.sold(till).items()}
    # What the hub has besides is there, too, untouched by these sales.
    levels = {sku: opening.get(sku, 0) - articles.get(sku, (0, 0))[0] for sku in articles.keys() | opening.keys()}
    return StoreFigures(
        receipts=dict(zip(numbers, told, strict=True)),
        seconds=dict(zip(numbers, own["seconds"], strict=True)),
        articles=articles,
        levels=levels,
    )


@dataclass(frozen=True, slots=True)
class HubFigures:
    """What the hub says of a store, and the units of each SKU that it had received before its first sale."""

    side: StoreFigures
    opening: dict[str, int]


async def _hub(session: Session, stores: Sequence[str]) -> dict[str, HubFigures]:
    said = {store: HubFigures(StoreFigures({}, {}, {}, {}), {}) for store in stores}
    for row in await session.fetch(_ORDERS, stores):
        side, receipt = said[row["store"]].side, row["receipt"]
        while receipt in side.receipts:
            receipt += " again"  # A second order of a basket is one too many.
        side.receipts[receipt] = (row["loyalty_card"], row["lines"], row["units"], row["total_minor"])
        side.seconds[receipt] = row["placed_at"].timestamp()
    for row in await session.fetch(_ARTICLES, stores):
        said[row["store"]].side.articles[row["sku"]] = (row["units"], row["cents"])
    for row in await session.fetch(_LEVELS, stores):
        said[row["store"]].side.levels[row["sku"]] = row["on_hand"]
        said[row["store"]].opening[row["sku"]] = row["opening"]
    return said


_ORDERS = """
    SELECT s.code AS store, o.receipt, c.loyalty_card, o.total_minor, o.placed_at, l.lines, l.units FROM orders o
    JOIN location s ON s.id = o.location_id LEFT JOIN customer c ON c.id = o.customer_id
    CROSS JOIN LATERAL (SELECT count(*) AS lines, coalesce(sum(quantity), 0)::bigint AS units
        FROM order_line WHERE order_id = o.id) l
    WHERE s.code = ANY($1) AND o.receipt IS NOT NULL AND o.status = 'COMPLETED'
"""
_ARTICLES = """
    SELECT s.code AS store, l.sku, sum(l.quantity)::bigint AS units, sum(l.total_minor)::bigint AS cents FROM orders o
    JOIN location s ON s.id = o.location_id JOIN order_line l ON l.order_id = o.id
    WHERE s.code = ANY($1) AND o.receipt IS NOT NULL AND o.status = 'COMPLETED' GROUP BY s.code, l.sku
"""
_LEVELS = """
    SELECT s.code AS store, v.sku, l.on_hand, (
        SELECT coalesce(sum(m.on_hand_delta), 0)::bigint FROM stock_movement m
        WHERE m.variant_id = l.variant_id AND m.location_id = l.location_id AND m.reason = 'IMPORT'
    ) AS opening
    FROM stock_level l JOIN location s ON s.id = l.location_id JOIN variant v ON v.id = l.variant_id
    WHERE s.code = ANY($1)
"""
