"""The year's sales: every line of every basket, with a product for each.

A replay leaves out no line, basket or cent. Lines that the master data has no product for are sold like this:

- Petrol is sold as the source counts it: a unit is a thousandth of a gallon, or a prepaid amount.
- Lines of quantity 0 (8,869 lines, 12.52 dollars; 330 baskets have no other lines) are sold as one product, `Line
  without a unit`: one unit of it is one such line, at that line's amount. It counts lines and not goods, because a till
  cannot report a quantity of 0. Their own products are not carried over; 249 of those were never sold otherwise.

With a limit on products, lines of other products and of petrol are left out, and so are baskets without other lines.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from uriba.sources.complete_journey import CompleteJourney, Product, sku_of

if TYPE_CHECKING:
    import pyarrow as pa

NO_UNIT = 0
"""The number of the product for lines of quantity 0. The source's own numbers begin at 25,671."""

LINE_WITHOUT_A_UNIT = "Line without a unit"


class CompleteJourneySales(CompleteJourney):
    """A slice of the year with its sales; products, prices and stock include petrol and lines without a unit."""

    @property
    def name(self) -> str:
        """The limits of the slice in words, different from those of a slice of master data alone."""
        return f"{super().name} as rung up"

    @cached_property
    def products(self) -> list[Product]:
        """The products of all lines: first those sold by the unit, best-selling first, then petrol and lines without
        a unit."""
        return [_with_name(product) for product in super().products]

    @cached_property
    def petrol(self) -> frozenset[str]:
        """The SKUs of petrol."""
        return frozenset(sku_of(number) for number in self._petrol.to_pylist())

    @cached_property
    def lines(self) -> pa.Table:
        """Every line as a till sells it. Columns: store_id, basket_id, household_id, transaction_timestamp (UTC),
        product_id, quantity (above 0), cents (paid for the whole line)."""
        import pyarrow as pa
        import pyarrow.compute as pc

        lines = self._lines
        if self._products_max is not None:
            lines = lines.filter(pc.is_in(lines["product_id"], self._sold_by_unit))
        empty = pc.equal(lines["quantity"], 0)
        sold = {
            "product_id": pc.if_else(empty, NO_UNIT, lines["product_id"]),
            "quantity": pc.if_else(empty, 1, lines["quantity"]),
            "cents": pc.round(pc.multiply(lines["sales_value"], 100)).cast(pa.int64()),
        }
        unchanged = ("store_id", "basket_id", "household_id", "transaction_timestamp")
        return pa.table({**{name: lines[name] for name in unchanged}, **sold})

    @cached_property
    def _sold_by_unit(self) -> pa.Array:
        """The numbers of the products sold by the unit, best-selling first."""
        slice_ = CompleteJourney(stores=self._stores_max, days=self._days_max, products=self._products_max)
        return slice_._products_sold

    @cached_property
    def _units_sold(self) -> pa.Table:
        return self.lines.group_by(["product_id", "store_id"]).aggregate([("quantity", "sum")])

    @cached_property
    def _products_sold(self) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        others = self.lines["product_id"].unique()
        others = others.filter(pc.invert(pc.is_in(others, self._sold_by_unit))).sort("descending")
        return pa.concat_arrays([self._sold_by_unit, others])


def _with_name(product: Product) -> Product:
    """Return the product; the one for lines without a unit gets its name and description."""
    if product.sku != sku_of(NO_UNIT):
        return product
    return Product(
        handle="line-without-a-unit",
        sku=product.sku,
        barcode=product.barcode,
        name=LINE_WITHOUT_A_UNIT,
        brand=None,
        category=None,
        department=None,
        description="A receipt line of quantity 0 in the replayed source. It is counted, but no goods were sold.",
    )
