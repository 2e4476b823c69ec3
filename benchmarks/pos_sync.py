"""`python -m benchmarks.pos_sync`: real baskets through posSync, beside what raw SQL takes for their stock.

The busiest stores' baskets of the Complete Journey, by tills at the same time. The ceiling is COPY of the same lines
into a temporary table and one merge into levels and ledger, on as many connections, in the same run. Prices are not
compared with the price list (URIBA_PRICE_VARIANCE=false): those of the source differ line by line.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import asyncpg
import httpx
import msgspec
import psutil
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import hub
from benchmarks.hub import Hub
from uriba.config import Settings
from uriba.outbox.database import open_database
from uriba.sources import loading
from uriba.sources.replay.sale_events import SaleEvents
from uriba.sources.replay.sales import CompleteJourneySales

BATCH = 100
DAY_BASKETS = 430
"""What the whole chain sells in a day: 155,848 baskets in a year."""

WARM_BATCHES = 2
ADJUSTED_ROWS = 10_000
ROWS_MAX = 1_000
ANSWER_S = 120

SYNC = """mutation Sync($i: PosSyncInput!) { posSync(input: $i) {
    results { eventId status errors { code message path } }
    acknowledged missing { from to } shortages errors { code message } } }"""
ADJUST = "mutation ($i: StockAdjustInput!) { stockAdjust(input: $i) { levels { onHand } errors { code message } } }"

console = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Batch:
    """Facts of one till, encoded but for the time of sending; `lines` are those of all its baskets."""

    till: int
    events: bytes
    baskets: int
    lines: int
    rows: Sequence[tuple[Any, ...]]


def bench(
    tills: Annotated[int, typer.Option(min=1, max=16)] = 4,
    days: Annotated[int, typer.Option(min=1, max=365, help="Of the year, for the busiest stores, one a till.")] = 120,
    json: Annotated[Path | None, typer.Option(help="Where to write the figures as JSON.")] = None,
) -> None:
    """Measure posSync with real baskets. Exit status 1 where a fact is not applied or an invariant is broken."""
    with tempfile.TemporaryDirectory(prefix="uriba-bench-") as folder:
        data_dir = Path(folder, "hub")
        with hub.running(data_dir, processes=1, settings={"URIBA_PRICE_VARIANCE": "false"}) as running:
            figures = asyncio.run(_measure(running, CompleteJourneySales(stores=tills, days=days)))
        clean, verdict = hub.check(data_dir)
    _show(figures, verdict)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(figures | {"clean": clean})))
    raise typer.Exit(0 if clean else 1)


async def _measure(running: Hub, year: CompleteJourneySales) -> dict[str, float]:
    console.print("loading goods and stock")
    database = open_database(Settings(database_url=running.database_url))
    await loading.load(database, year, progress=lambda *_: nullcontext(lambda _: None), coupons=False)
    await database.close()
    receipts = SaleEvents(year)
    batches = [list(_batches(receipts, n)) for n in range(len(receipts.tills))]
    day = -(-DAY_BASKETS // (len(batches) * BATCH))
    rest = [some[WARM_BATCHES + day :] for some in batches]
    if not any(rest):
        raise SystemExit("Too few baskets to measure: choose more days.")
    stores = [till.store for till in receipts.tills]
    keys = [running.key("terminal", "--location", store) for store in stores]
    staff = running.key("staff", "--name", "Bench")
    async with httpx.AsyncClient(base_url=running.url, timeout=ANSWER_S) as client:
        sent = _Sent(client, keys)
        await sent.all([some[:WARM_BATCHES] for some in batches])
        figures = await _rates(running, sent, rest)
        console.print("a day of the whole chain")
        small = [list(_split(receipts, n, DAY_BASKETS // len(stores))) for n in range(len(stores))]
        figures |= await _day(sent, small)
        figures["adjust_10_000_rows_s"] = await _adjusted(client, staff, year)
    figures |= await _ceilings(running.database_url, rest, figures["lines_per_s"])
    return figures


def _batches(receipts: SaleEvents, till: int) -> Iterator[Batch]:
    own = receipts.tills[till].baskets
    for start in range(own.start, own.stop, BATCH):
        yield _batch(receipts, till, range(start, min(start + BATCH, own.stop)))


def _split(receipts: SaleEvents, till: int, baskets: int) -> Iterator[Batch]:
    """The baskets of one day, which the run before left out."""
    start = receipts.tills[till].baskets.start + WARM_BATCHES * BATCH
    yield _batch(receipts, till, range(start, min(start + baskets, receipts.tills[till].baskets.stop)))


def _batch(receipts: SaleEvents, till: int, baskets: range) -> Batch:
    events = receipts.events(baskets)
    told = [msgspec.json.decode(event) for event in events]
    rows = [
        (e["eventId"], e["sequence"], e["occurredAt"], e["receipt"], till, l["sku"], l["quantity"], l["unitPrice"])
        for e in told
        for l in e["lines"]  # noqa: E741
    ]
    return Batch(till, ",".join(events).encode(), len(events), len(rows), rows)


class _Sent:
    """Sends batches, each till its own in order, all tills at once; every fact has to be applied."""

    def __init__(self, client: httpx.AsyncClient, keys: Sequence[str]) -> None:
        self.client, self.keys = client, keys
        self.head = b'{"query":' + msgspec.json.encode(SYNC) + b',"variables":{"i":{"sentAt":"'

    async def all(self, batches: Sequence[Sequence[Batch]]) -> float:
        """How many seconds it took."""
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tills:
            for some in batches:
                tills.create_task(self._till(some))
        return time.perf_counter() - began

    async def _till(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            now = datetime.now(UTC).isoformat().encode()
            body = self.head + now + b'","events":[' + batch.events + b"]}}}"
            key = {"authorization": f"Bearer {self.keys[batch.till]}", "content-type": "application/json"}
            answer = (await self.client.post("", content=body, headers=key)).content
            assert answer.count(b'"APPLIED"') == batch.baskets, answer[:2_000]


async def _rates(running: Hub, sent: _Sent, batches: Sequence[Sequence[Batch]]) -> dict[str, float]:
    console.print(f"sending {sum(b.baskets for some in batches for b in some):,} baskets")
    before, memory = _cpu(running), _memory_mb(running)
    took = await sent.all(batches)
    spent = _cpu(running)
    baskets = sum(batch.baskets for some in batches for batch in some)
    lines = sum(batch.lines for some in batches for batch in some)
    return {
        "baskets": baskets,
        "lines": lines,
        "seconds": took,
        "events_per_s": baskets / took,
        "lines_per_s": lines / took,
        "api_cpu_us_per_line": (spent[0] - before[0]) / lines * 1e6,
        "postgres_cpu_us_per_line": (spent[1] - before[1]) / lines * 1e6,
        "api_memory_mb_before": memory,
        "api_memory_mb_after": _memory_mb(running),
    }


async def _day(sent: _Sent, batches: Sequence[Sequence[Batch]]) -> dict[str, float]:
    lines = sum(batch.lines for some in batches for batch in some)
    return {"day_s": await sent.all(batches), "day_lines": lines}


async def _adjusted(client: httpx.AsyncClient, staff: str, year: CompleteJourneySales) -> float:
    """Seconds for 10,000 rows of stockAdjust, 1,000 a call, two calls at a time."""
    rows = [{"sku": o.sku, "location": o.store, "delta": 1} for o in year.opening_stock[:ADJUSTED_ROWS]]
    assert len(rows) == ADJUSTED_ROWS, "choose more stores or days"

    async def call(start: int) -> None:
        given = {"changes": rows[start : start + ROWS_MAX], "reason": "RECEIPT", "idempotencyKey": uuid4().hex}
        body = {"query": ADJUST, "variables": {"i": given}}
        answer = (await client.post("", json=body, headers={"authorization": f"Bearer {staff}"})).json()
        assert not answer["data"]["stockAdjust"]["errors"], answer

    began = time.perf_counter()
    calls: list[Awaitable[None]] = [call(start) for start in range(0, ADJUSTED_ROWS, ROWS_MAX)]
    for pair in zip(calls[::2], calls[1::2], strict=True):
        await asyncio.gather(*pair)
    return time.perf_counter() - began


_STAGE = """
    CREATE TEMP TABLE IF NOT EXISTS fact (event_id text, sequence bigint, occurred_at text, receipt text, till bigint,
        sku text, quantity bigint, unit_price text) ON COMMIT DELETE ROWS
"""
_MERGE = """
    MERGE INTO ceiling_level l USING (
        SELECT v.id AS variant_id, f.till AS location_id, sum(f.quantity) AS units
        FROM fact f JOIN variant v ON v.sku = f.sku GROUP BY 1, 2
    ) s ON (l.variant_id, l.location_id) = (s.variant_id, s.location_id)
    WHEN MATCHED THEN UPDATE SET on_hand = l.on_hand - s.units, version = l.version + 1
"""
_LEDGER = """
    WITH moved AS (
        INSERT INTO ceiling_movement (variant_id, location_id, reason, quantity, on_hand_delta, committed_delta,
            reserved_delta, unavailable_delta, reference, actor, occurred_at)
        SELECT v.id, f.till, 'SALE', f.quantity, -f.quantity, 0, 0, 0, f.event_id, 'ceiling', f.occurred_at::timestamptz
        FROM fact f JOIN variant v ON v.sku = f.sku
    ), changed AS (
        SELECT v.id AS variant_id, f.till AS location_id, sum(f.quantity) AS units
        FROM fact f JOIN variant v ON v.sku = f.sku GROUP BY 1, 2
    )
    UPDATE ceiling_level l SET on_hand = l.on_hand - c.units, version = l.version + 1 FROM changed c
    WHERE (l.variant_id, l.location_id) = (c.variant_id, c.location_id)
"""


async def _ceilings(url: str, batches: Sequence[Sequence[Batch]], lines_per_s: float) -> dict[str, float]:
    """Lines a second by raw SQL: levels only, and levels with their ledger."""
    console.print("raw SQL")
    driver = await asyncpg.connect(url)
    await driver.execute("CREATE TABLE ceiling_level (LIKE stock_level INCLUDING ALL)")
    await driver.execute("CREATE TABLE ceiling_movement (LIKE stock_movement INCLUDING ALL)")
    await driver.execute(
        "INSERT INTO ceiling_level (variant_id, location_id, on_hand) "
        "SELECT v.id, t, 1000000000 FROM variant v, generate_series(0, $1::bigint - 1) t",
        len(batches),
    )
    await driver.execute("VACUUM ANALYZE ceiling_level")
    lines = sum(batch.lines for some in batches for batch in some)
    figures: dict[str, float] = {}
    for name, statement in (("levels", _MERGE), ("levels_and_ledger", _LEDGER)):
        began = time.perf_counter()
        await asyncio.gather(*(_raw(url, some, statement) for some in batches))
        rate = lines / (time.perf_counter() - began)
        figures |= {f"raw_{name}_lines_per_s": rate, f"ratio_to_raw_{name}": lines_per_s / rate}
    await driver.execute("DROP TABLE ceiling_level, ceiling_movement")
    await driver.close()
    return figures


async def _raw(url: str, batches: Sequence[Batch], statement: str) -> None:
    driver = await asyncpg.connect(url)
    await driver.execute(_STAGE)
    for batch in batches:
        async with driver.transaction():
            await driver.copy_records_to_table("fact", records=batch.rows)
            await driver.execute(statement)
    await driver.close()


def _cpu(running: Hub) -> tuple[float, float]:
    return _cpu_s(running.api), _cpu_s(running.postgres)


def _cpu_s(process: psutil.Process) -> float:
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return float(sum(t.user + t.system for t in times))


def _memory_mb(running: Hub) -> float:
    return float(running.api.memory_info().rss) / 1e6


def _show(figures: dict[str, float], verdict: str) -> None:
    table = Table("figure", "value")
    for name, value in figures.items():
        shown = f"1/{1 / value:.1f}" if name.startswith("ratio") else f"{value:,.1f}"
        table.add_row(name.replace("_", " "), shown)
    Console().print(table)
    Console().print(verdict.splitlines()[-1])


if __name__ == "__main__":
    typer.run(bench)
