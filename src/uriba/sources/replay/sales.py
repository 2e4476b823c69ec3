"""The year's trading: every line that the tills rang up, and an article for whatever it was.

Nothing is left out of a replay, no line, basket or cent. What master data alone has no article for is sold like this:

- Petrol as the source counts it: a unit is a thousandth of a gallon, or a prepaid amount.
- Lines of quantity 0 (8,869 of them, 12.52 dollars; 330 baskets hold nothing else) as one article, `Line without a
  unit`: one unit of it is one such line, at that line's value. It counts lines and no goods, because no till may report
  a quantity of 0. What they were lines of is not carried; 249 products were never sold otherwise.

Of a smaller range (`products`) the lines of other articles, and petrol, are left out; so are baskets of nothing else.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from uriba.sources.complete_journey import CompleteJourney, Product, sku_of

if TYPE_CHECKING:
    import pyarrow as pa

NO_UNIT = 0
"""Our number of the article that stands for lines of quantity 0; the source's own begin at 25,671."""

LINE_WITHOUT_A_UNIT = "Line without a unit"


class CompleteJourneySales(CompleteJourney):
    """A slice of the year with all that was rung up; its articles, prices and stock include those of such lines."""

    @property
    def name(self) -> str:
        """What the slice is limited to, in words; never that of a slice of master data alone."""
        return f"{super().name} as rung up"

    @cached_property
    def articles(self) -> list[Product]:
        """What was rung up: what sold by the unit, best selling first, then petrol and lines without a unit."""
        return [_named(article) for article in super().articles]

    @cached_property
    def petrol(self) -> frozenset[str]:
        """The SKUs of petrol."""
        return frozenset(sku_of(number) for number in self._petrol.to_pylist())

    @cached_property
    def lines(self) -> pa.Table:
        """Every line as a till sells it: store_id, basket_id, household_id, transaction_timestamp (UTC), product_id,
        quantity (above 0), cents (what was paid for all of it)."""
        import pyarrow as pa
        import pyarrow.compute as pc

        lines = self._lines
        if self._products is not None:
            lines = lines.filter(pc.is_in(lines["product_id"], self._goods))
        empty = pc.equal(lines["quantity"], 0)
        sold = {
            "product_id": pc.if_else(empty, NO_UNIT, lines["product_id"]),
            "quantity": pc.if_else(empty, 1, lines["quantity"]),
            "cents": pc.round(pc.multiply(lines["sales_value"], 100)).cast(pa.int64()),
        }
        kept = ("store_id", "basket_id", "household_id", "transaction_timestamp")
        return pa.table({**{name: lines[name] for name in kept}, **sold})

    @cached_property
    def _goods(self) -> pa.Array:
        """The numbers of what sold by the unit, best selling first."""
        ranked = CompleteJourney(stores=self._stores, days=self._days, products=self._products)
        return ranked._products_sold

    @cached_property
    def _sold(self) -> pa.Table:
        return self.lines.group_by(["product_id", "store_id"]).aggregate([("quantity", "sum")])

    @cached_property
    def _products_sold(self) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        others = self.lines["product_id"].unique()
        others = others.filter(pc.invert(pc.is_in(others, self._goods))).sort("descending")
        return pa.concat_arrays([self._goods, others])


def _named(article: Product) -> Product:
    if article.sku != sku_of(NO_UNIT):
        return article
    told = "A receipt's line of quantity 0, in the source of this replay: counted, but nothing was handed over."
    return Product(
        handle="line-without-a-unit",
        sku=article.sku,
        barcode=article.barcode,
        name=LINE_WITHOUT_A_UNIT,
        brand=None,
        category=None,
        department=None,
        description=told,
    )
