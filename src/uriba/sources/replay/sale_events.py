"""The year's baskets as what the tills report: one SALE for each, as JSON, made when it is sent.

An event is the same bytes whenever it is made: its id and receipt are the basket's number, its sequence the place of
the basket among its store's. A line's unit price is what was paid over the units, rounded up to the cent, and the
discount takes back what that is too much: each line's total is the source's, to the cent. It is paid in cash.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from uriba.sources.complete_journey import store_code
from uriba.sources.replay.sales import CompleteJourneySales

if TYPE_CHECKING:
    import pyarrow as pa

SECOND_NS = 10**9
LINE_COLUMNS = ("product_id", "quantity", "cents")


@dataclass(frozen=True, slots=True)
class StoreTill:
    """The till of a store, and the places of its baskets in the year: sequence 1 is the first of them."""

    store: str
    places: range


class SaleEvents:
    """All baskets of a slice: store by store, in the order that they were rung up."""

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
        self._lines = {name: pa.ListArray.from_arrays(starts, _whole(lines[name])) for name in LINE_COLUMNS}
        self.baskets = pa.table(
            {
                "receipt": numbers,
                "household": first["household_id"],
                "seconds": seconds,
                "lines": pc.list_value_length(self._lines["quantity"]).cast(pa.int64()),
                "units": self._summed(lines["quantity"]),
                "cents": self._summed(lines["cents"]),
            }
        )
        self.tills = _tills(first["store_id"])
        self._sequences = _sequences(self.tills)
        self.coupons: dict[int, list[str]] = {}
        """Codes that were used with baskets, by place."""

    def _summed(self, values: pa.ChunkedArray) -> pa.Array:
        """The sum of each basket's lines."""
        import pyarrow as pa
        import pyarrow.compute as pc

        until = pc.cumulative_sum(values).take(pc.subtract(self._ends, 1)).combine_chunks()
        before = pa.concat_arrays([pa.array([0], pa.int64()), until.slice(0, max(0, len(until) - 1))])
        return pc.subtract(until, before.slice(0, len(until)))

    def sold(self, till: StoreTill) -> dict[int, tuple[int, int]]:
        """Units and cents of each product that a till sold."""
        columns = [self._lines[name].slice(till.places.start, len(till.places)).flatten() for name in LINE_COLUMNS]
        return _by_product(columns)

    def events(self, places: Sequence[int], *, clock_s: int = 0) -> list[str]:
        """What a till reports of these baskets, in this order; its clock is `clock_s` ahead."""
        import pyarrow as pa
        import pyarrow.compute as pc

        chosen = pa.array(places, pa.int64())
        products, quantities, cents = (self._lines[name].take(chosen) for name in LINE_COLUMNS)
        baskets = self.baskets.take(chosen)
        lines = pa.ListArray.from_arrays(
            products.offsets, _line_texts(products.flatten(), quantities.flatten(), cents.flatten())
        )
        moments = pc.add(baskets["seconds"], clock_s).cast(pa.timestamp("s"))
        receipts = baskets["receipt"].cast(pa.string())
        # Nothing paid is no tender.
        paid = pc.binary_join_element_wise('{"method":"CASH","amount":"', _decimal(baskets["cents"]), '"}', "")
        parts = (
            '{"type":"SALE","eventId":"',
            receipts,
            '","receipt":"',
            receipts,
            '","sequence":',
            self._sequences.take(chosen).cast(pa.string()),
            ',"occurredAt":"',
            pc.strftime(moments, format="%Y-%m-%dT%H:%M:%SZ"),
            '","loyaltyCard":"CJ',
            pc.utf8_lpad(baskets["household"].cast(pa.string()), 7, "0"),
            '","tenders":[',
            pc.if_else(pc.equal(baskets["cents"], 0), "", paid),
            '],"lines":[',
            pc.binary_join(lines, ","),
            "]",
            pa.array([self._taken(place) for place in places], pa.string()),
            "}",
        )
        events: list[str] = pc.binary_join_element_wise(*parts, "").to_pylist()
        return events

    def _taken(self, place: int) -> str:
        codes = self.coupons.get(place)
        return f',"coupons":{json.dumps(codes)}' if codes else ""

    def bought(self) -> Iterator[tuple[int, int, Sequence[int]]]:
        """Of each basket its household, second and products."""
        columns = (self.baskets["household"].to_pylist(), self.seconds, self._lines["product_id"].to_pylist())
        return zip(*columns, strict=True)


def _line_texts(products: pa.Array, quantities: pa.Array, cents: pa.Array) -> pa.Array:
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
    """Cents as major units: "12.05"."""
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
    """Where each run of one value ends, and the value."""
    import pyarrow.compute as pc

    runs = pc.run_end_encode(_whole(values))
    return runs.run_ends, runs.values


def _whole(values: pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks()


def _tills(stores: pa.ChunkedArray) -> list[StoreTill]:
    ends, numbers = (part.to_pylist() for part in _runs(stores))
    starts = [0, *ends][:-1]
    return [
        StoreTill(store_code(number), range(start, end))
        for number, start, end in zip(numbers, starts, ends, strict=True)
    ]


def _sequences(tills: Sequence[StoreTill]) -> pa.Array:
    import pyarrow as pa

    return pa.array([sequence for till in tills for sequence in range(1, len(till.places) + 1)], pa.int64())
