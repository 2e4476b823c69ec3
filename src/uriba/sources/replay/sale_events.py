"""The year's baskets as the events that tills report: one SALE for each basket, built as JSON when it is sent.

An event has the same bytes each time it is built: its id and receipt are the basket's number, its sequence is the
basket's position among those of its store. A line's unit price is the amount paid divided by the units, rounded up to
the cent; the discount corrects the rounding, so that each line's total is the source's, to the cent. Baskets are paid
in cash.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from uriba.sources.complete_journey import store_code
from uriba.sources.coupons import BasketSummary
from uriba.sources.replay.sales import CompleteJourneySales

if TYPE_CHECKING:
    import pyarrow as pa

SECOND_NS = 10**9
LINE_COLUMNS = ("product_id", "quantity", "cents")


@dataclass(frozen=True, slots=True)
class StoreTill:
    """The till of a store and the indices of its baskets; the first of them has sequence 1."""

    store: str
    baskets: range


class SaleEvents:
    """All baskets of a slice, store by store, in the order in which they were rung up."""

    def __init__(self, year: CompleteJourneySales) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        order = [(name, "ascending") for name in ("store_id", "transaction_timestamp", "basket_id")]
        lines = year.lines.sort_by(order).combine_chunks()
        self._ends, numbers = _runs(lines["basket_id"])
        starts = pa.array([0, *self._ends.to_pylist()], pa.int32())
        first = lines.select(["store_id", "household_id", "transaction_timestamp"]).take(starts[:-1])
        seconds = pc.divide(first["transaction_timestamp"].cast(pa.int64()), SECOND_NS)
        self.seconds: list[int] = seconds.to_pylist()
        self.size = len(self.seconds)
        self._lines = {name: pa.ListArray.from_arrays(starts, lines[name].combine_chunks()) for name in LINE_COLUMNS}
        self.baskets = pa.table(
            {
                "receipt": numbers,
                "household": first["household_id"],
                "seconds": seconds,
                "lines": pc.list_value_length(self._lines["quantity"]).cast(pa.int64()),
                "units": self._sums(lines["quantity"]),
                "cents": self._sums(lines["cents"]),
            }
        )
        self.tills = _tills(first["store_id"])
        self._sequences = _sequences(self.tills)
        self.coupons: dict[int, list[str]] = {}
        """The coupon codes that were used with a basket, by its index."""

    def _sums(self, values: pa.ChunkedArray) -> pa.Array:
        """Return the sum over each basket's lines."""
        import pyarrow as pa
        import pyarrow.compute as pc

        until = pc.cumulative_sum(values).take(pc.subtract(self._ends, 1)).combine_chunks()
        before = pa.concat_arrays([pa.array([0], pa.int64()), until.slice(0, max(0, len(until) - 1))])
        return pc.subtract(until, before.slice(0, len(until)))

    def sold(self, till: StoreTill) -> dict[int, tuple[int, int]]:
        """Return the units and cents of each product that a till sold, by the product's number."""
        columns = [self._lines[name].slice(till.baskets.start, len(till.baskets)).flatten() for name in LINE_COLUMNS]
        return _by_product(columns)

    def events(self, baskets: Sequence[int], *, clock_offset_s: int = 0) -> list[str]:
        """Return the events of these baskets in this order, from a till whose clock is `clock_offset_s` ahead."""
        import pyarrow as pa
        import pyarrow.compute as pc

        indices = pa.array(baskets, pa.int64())
        products, quantities, cents = (self._lines[name].take(indices) for name in LINE_COLUMNS)
        chosen = self.baskets.take(indices)
        lines = pa.ListArray.from_arrays(
            products.offsets, _lines_as_json(products.flatten(), quantities.flatten(), cents.flatten())
        )
        times = pc.add(chosen["seconds"], clock_offset_s).cast(pa.timestamp("s"))
        receipts = chosen["receipt"].cast(pa.string())
        tender = pc.binary_join_element_wise('{"method":"CASH","amount":"', _decimal(chosen["cents"]), '"}', "")
        parts = (
            '{"type":"SALE","eventId":"',
            receipts,
            '","receipt":"',
            receipts,
            '","sequence":',
            self._sequences.take(indices).cast(pa.string()),
            ',"occurredAt":"',
            pc.strftime(times, format="%Y-%m-%dT%H:%M:%SZ"),
            '","loyaltyCard":"CJ',
            pc.utf8_lpad(chosen["household"].cast(pa.string()), 7, "0"),
            '","tenders":[',
            pc.if_else(pc.equal(chosen["cents"], 0), "", tender),  # a basket of amount 0 has no tender
            '],"lines":[',
            pc.binary_join(lines, ","),
            "]",
            pa.array([self._coupons_as_json(basket) for basket in baskets], pa.string()),
            "}",
        )
        events: list[str] = pc.binary_join_element_wise(*parts, "").to_pylist()
        return events

    def _coupons_as_json(self, basket: int) -> str:
        codes = self.coupons.get(basket)
        return f',"coupons":{json.dumps(codes)}' if codes else ""

    def summaries(self) -> Iterator[BasketSummary]:
        """Yield the household, time and products of each basket, by index."""
        columns = (self.baskets["household"].to_pylist(), self.seconds, self._lines["product_id"].to_pylist())
        return map(BasketSummary, *columns)


def _lines_as_json(products: pa.Array, quantities: pa.Array, cents: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    unit = pc.divide(pc.add(cents, pc.subtract(quantities, 1)), quantities)
    discount = pc.subtract(pc.multiply(unit, quantities), cents)
    return pc.binary_join_element_wise(
        '{"sku":"CJ-',
        products.cast(pa.string()),
        '","quantity":',
        quantities.cast(pa.string()),
        ',"unitPrice":"',
        _decimal(unit),
        '","discount":"',
        _decimal(discount),
        '"}',
        "",
    )


def _decimal(cents: Any) -> Any:
    """Return cents as decimals in major units, such as "12.05"."""
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = pc.divide(cents, 100)
    rest = pc.subtract(cents, pc.multiply(whole, 100))
    return pc.binary_join_element_wise(whole.cast(pa.string()), pc.utf8_lpad(rest.cast(pa.string()), 2, "0"), ".")


def _by_product(columns: Sequence[pa.Array]) -> dict[int, tuple[int, int]]:
    import pyarrow as pa

    table = pa.table(dict(zip(LINE_COLUMNS, columns, strict=True)))
    summed = table.group_by("product_id").aggregate([("quantity", "sum"), ("cents", "sum")])
    sums = zip(*(summed[name].to_pylist() for name in ("quantity_sum", "cents_sum")), strict=True)
    return dict(zip(summed["product_id"].to_pylist(), sums, strict=True))


def _runs(values: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """Return the end of each run of equal values, and its value."""
    import pyarrow.compute as pc

    runs = pc.run_end_encode(values.combine_chunks())
    return runs.run_ends, runs.values


def _tills(stores: pa.ChunkedArray) -> list[StoreTill]:
    ends, numbers = (part.to_pylist() for part in _runs(stores))
    starts = [0, *ends][:-1]
    return [
        StoreTill(store_code(number), range(start, end))
        for number, start, end in zip(numbers, starts, ends, strict=True)
    ]


def _sequences(tills: Sequence[StoreTill]) -> pa.Array:
    import pyarrow as pa

    return pa.array([sequence for till in tills for sequence in range(1, len(till.baskets) + 1)], pa.int64())
