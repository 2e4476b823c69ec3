"""What the journey left behind: stock before and after, the ledger's rows, the order's timeline."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from uriba.demo import operations
from uriba.demo.device import Answer, Device
from uriba.demo.goods import Choice
from uriba.demo.story import Story, answer

Level = tuple[str, str]
"""SKU and location."""

BUCKETS = ("onHand", "committed", "reserved")


class Effects:
    """Looks at the three articles' stock, everywhere, before and after the journey; as staff."""

    def __init__(self, story: Story, staff: Device, choice: Choice) -> None:
        self._story = story
        self._staff = staff
        self._choice = choice
        self._before: dict[Level, Answer] = {}

    async def look_before(self) -> None:
        """Note all levels."""
        with self._story.step("staff", "Note the stock of the three, everywhere", operations.LEVELS) as step:
            self._before = await self._levels()
            stores = len({location for _, location in self._before})
            step.hear(answer(f"{len(self._before)} levels in {stores} stores"))
            shelf = [self._available((good.sku, self._choice.store)) for good in self._choice.all]
            step.hold(f"available at this store, of each: {shelf}", min(shelf[:2]) > 0 and shelf[2] <= 0, found=shelf)

    async def look_after(self, order: Answer) -> None:
        """Compare all levels, and read the ledger and the timeline."""
        after = await self._stock(order)
        self._ledger(order, after)
        self._timeline(order)

    async def _stock(self, order: Answer) -> dict[Level, Answer]:
        with self._story.step("staff", "Compare the stock", operations.LEVELS) as step:
            after = await self._levels()
            changed = [level for level in after if _moved(self._before.get(level), after[level])]
            step.hear(_compared(changed, self._before, after))
            expected = {level: deltas for level, (_, deltas) in self._expected(order).items()}
            found = {level: _moved(self._before.get(level), after[level]) for level in changed}
            step.hold(
                "sold units left this store's shelf, the shipped one is committed elsewhere, nothing else moved",
                found == expected,
                found=f"{found}, expected {expected}",
            )
            return after

    def _ledger(self, order: Answer, after: dict[Level, Answer]) -> None:
        with self._story.step("staff", "Read the ledger", operations.LEVELS) as step:
            known = {row["id"] for level in self._before.values() for row in _rows(level)}
            new = [(level, row) for level in after for row in _rows(after[level]) if row["id"] not in known]
            step.hear(_movements([(after[level], row) for level, row in new]))
            expected = {(level, reason) for level, (reason, _) in self._expected(order).items()}
            step.hold(
                "one row for each level: two sales, one commitment",
                {(level, row["reason"]) for level, row in new} == expected and len(new) == len(expected),
                found=[row["reason"] for _, row in new],
            )
            causes = {(row["reference"], row["actor"]) for _, row in new}
            step.hold("all of one order, by one till", len(causes) == 1, found=causes)

    def _timeline(self, order: Answer) -> None:
        with self._story.step("staff", "Read the order's timeline") as step:
            table = Table.grid(padding=(0, 2, 0, 0))
            for event in order["timeline"]:
                table.add_row(event["at"][11:23], event["type"], event["channel"] or "", f"[dim]{event['actor']}[/]")
            step.hear(table)
            types = [event["type"] for event in order["timeline"]]
            step.hold("it begins with the order being placed", types[:1] == ["order.placed"], found=types)

    async def _levels(self) -> dict[Level, Answer]:
        found: dict[Level, Answer] = {}
        after: str | None = None
        while True:
            skus = [good.sku for good in self._choice.all]
            page = await self._staff.ask(operations.LEVELS.document, skus=skus, after=after)
            for edge in page["edges"]:
                node = edge["node"]
                found[node["variant"]["sku"], node["location"]["code"]] = node
            if not page["pageInfo"]["hasNextPage"]:
                return found
            after = page["pageInfo"]["endCursor"]

    def _available(self, level: Level) -> int:
        return int(self._before[level]["available"]) if level in self._before else 0

    def _expected(self, order: Answer) -> dict[Level, tuple[str, dict[str, int]]]:
        """The reason and the deltas of each level that the order should have moved."""
        expected: dict[Level, tuple[str, dict[str, int]]] = {}
        for part in order["fulfillments"]:
            for line in part["lines"]:
                level = (line["orderLine"]["sku"], part["location"]["code"])
                ships = part["method"] == "SHIP"
                deltas = {"committed": line["quantity"]} if ships else {"onHand": -line["quantity"]}
                expected[level] = ("COMMIT" if ships else "SALE", deltas)
        return expected


def _moved(before: Answer | None, after: Answer) -> dict[str, int]:
    deltas = {bucket: after[bucket] - (before[bucket] if before else 0) for bucket in BUCKETS}
    return {bucket: delta for bucket, delta in deltas.items() if delta}


def _rows(level: Answer) -> list[Answer]:
    return [edge["node"] for edge in level["movements"]["edges"]]


def _compared(changed: Sequence[Level], before: dict[Level, Answer], after: dict[Level, Answer]) -> Table:
    table = Table("article", "store", "on hand", "committed", "available", box=None, pad_edge=False)
    for level in changed:
        was, now = before.get(level), after[level]
        cells = [_change(was[bucket] if was else 0, now[bucket]) for bucket in ("onHand", "committed", "available")]
        table.add_row(now["variant"]["name"][:30], now["location"]["code"], *cells)
    return table


def _change(was: int, now: int) -> str:
    return f"{was} → [bold]{now}[/]" if was != now else f"[dim]{now}[/]"


def _movements(rows: Sequence[tuple[Answer, Answer]]) -> Table:
    table = Table("article", "store", "reason", "on hand", "committed", box=None, pad_edge=False)
    for level, row in rows:
        deltas = [f"{row[name]:+d}" if row[name] else "[dim]0[/]" for name in ("onHandDelta", "committedDelta")]
        table.add_row(level["variant"]["name"][:30], level["location"]["code"], row["reason"], *deltas)
    return table
