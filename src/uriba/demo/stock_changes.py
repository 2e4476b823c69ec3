"""The effects of the journey: stock levels before and after it, ledger entries, and the order's timeline."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from uriba.demo import operations
from uriba.demo.device import Device, JsonObject
from uriba.demo.product_choice import ProductChoice
from uriba.demo.steps import StepLog, result_line

LevelKey = tuple[str, str]
"""SKU and location."""

COMPARED_FIELDS = ("onHand", "committed", "reserved")


class StockChanges:
    """Reads, as staff, the levels of the three variants at all locations, before and after the journey."""

    def __init__(self, log: StepLog, staff: Device, choice: ProductChoice) -> None:
        self._log = log
        self._staff = staff
        self._choice = choice
        self._before: dict[LevelKey, JsonObject] = {}

    async def read_before(self) -> None:
        title = "Read the stock of the three items at all locations"
        with self._log.step("staff", title, operations.LEVELS) as step:
            self._before = await self._read_levels()
            stores = len({location for _, location in self._before})
            step.show(result_line(f"{len(self._before)} levels in {stores} stores"))
            available = [self._available_before((variant.sku, self._choice.store)) for variant in self._choice.all]
            step.check(
                f"available at this store, of each: {available}",
                min(available[:2]) > 0 and available[2] <= 0,
                found=available,
            )

    async def compare(self, order: JsonObject) -> None:
        """Compare all levels, and read the ledger and the timeline."""
        after = await self._compare_levels(order)
        self._check_ledger(order, after)
        self._check_timeline(order)

    async def _compare_levels(self, order: JsonObject) -> dict[LevelKey, JsonObject]:
        with self._log.step("staff", "Compare the stock before and after", operations.LEVELS) as step:
            after = await self._read_levels()
            changed = [key for key in after if _deltas(self._before.get(key), after[key])]
            step.show(_comparison_table(changed, self._before, after))
            expected = {key: deltas for key, (_, deltas) in self._expected(order).items()}
            actual_deltas = {key: _deltas(self._before.get(key), after[key]) for key in changed}
            step.check(
                "the sold units left this store, the shipped one is committed at another, no other level changed",
                actual_deltas == expected,
                found=f"{actual_deltas}, expected {expected}",
            )
            return after

    def _check_ledger(self, order: JsonObject, after: dict[LevelKey, JsonObject]) -> None:
        with self._log.step("staff", "Read the ledger", operations.LEVELS) as step:
            known = {movement["id"] for level in self._before.values() for movement in _movements_of(level)}
            new = [
                (key, movement)
                for key in after
                for movement in _movements_of(after[key])
                if movement["id"] not in known
            ]
            step.show(_movements_table([(after[key], movement) for key, movement in new]))
            expected = {(key, reason) for key, (reason, _) in self._expected(order).items()}
            step.check(
                "one movement for each level: two sales and one commitment",
                {(key, movement["reason"]) for key, movement in new} == expected and len(new) == len(expected),
                found=[movement["reason"] for _, movement in new],
            )
            causes = {(movement["reference"], movement["actor"]) for _, movement in new}
            step.check("all are of one order and of one till", len(causes) == 1, found=causes)

    def _check_timeline(self, order: JsonObject) -> None:
        with self._log.step("staff", "Read the order's timeline") as step:
            table = Table.grid(padding=(0, 2, 0, 0))
            for event in order["timeline"]:
                table.add_row(event["at"][11:23], event["type"], event["channel"] or "", f"[dim]{event['actor']}[/]")
            step.show(table)
            types = [event["type"] for event in order["timeline"]]
            step.check("the first event is order.placed", types[:1] == ["order.placed"], found=types)

    async def _read_levels(self) -> dict[LevelKey, JsonObject]:
        levels: dict[LevelKey, JsonObject] = {}
        after: str | None = None
        while True:
            skus = [variant.sku for variant in self._choice.all]
            page = await self._staff.execute(operations.LEVELS.document, skus=skus, after=after)
            for edge in page["edges"]:
                node = edge["node"]
                levels[node["variant"]["sku"], node["location"]["code"]] = node
            if not page["pageInfo"]["hasNextPage"]:
                return levels
            after = page["pageInfo"]["endCursor"]

    def _available_before(self, key: LevelKey) -> int:
        return int(self._before[key]["available"]) if key in self._before else 0

    def _expected(self, order: JsonObject) -> dict[LevelKey, tuple[str, dict[str, int]]]:
        """Return the reason and the deltas for each level that the order should have changed."""
        expected: dict[LevelKey, tuple[str, dict[str, int]]] = {}
        for fulfillment in order["fulfillments"]:
            for line in fulfillment["lines"]:
                key = (line["orderLine"]["sku"], fulfillment["location"]["code"])
                ships = fulfillment["method"] == "SHIP"
                deltas = {"committed": line["quantity"]} if ships else {"onHand": -line["quantity"]}
                expected[key] = ("COMMIT" if ships else "SALE", deltas)
        return expected


def _deltas(before: JsonObject | None, after: JsonObject) -> dict[str, int]:
    deltas = {name: after[name] - (before[name] if before else 0) for name in COMPARED_FIELDS}
    return {name: delta for name, delta in deltas.items() if delta}


def _movements_of(level: JsonObject) -> list[JsonObject]:
    return [edge["node"] for edge in level["movements"]["edges"]]


def _comparison_table(
    changed: Sequence[LevelKey], before: dict[LevelKey, JsonObject], after: dict[LevelKey, JsonObject]
) -> Table:
    table = Table("item", "store", "on hand", "committed", "available", box=None, pad_edge=False)
    for key in changed:
        old, new = before.get(key), after[key]
        cells = [_change(old[name] if old else 0, new[name]) for name in ("onHand", "committed", "available")]
        table.add_row(new["variant"]["name"][:30], new["location"]["code"], *cells)
    return table


def _change(old: int, new: int) -> str:
    return f"{old} → [bold]{new}[/]" if old != new else f"[dim]{new}[/]"


def _movements_table(rows: Sequence[tuple[JsonObject, JsonObject]]) -> Table:
    table = Table("item", "store", "reason", "on hand", "committed", box=None, pad_edge=False)
    for level, movement in rows:
        deltas = [
            f"{movement[name]:+d}" if movement[name] else "[dim]0[/]" for name in ("onHandDelta", "committedDelta")
        ]
        table.add_row(level["variant"]["name"][:30], level["location"]["code"], movement["reason"], *deltas)
    return table
