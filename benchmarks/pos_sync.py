"""`python -m benchmarks.pos_sync`: real baskets through posSync, beside raw SQL for the same stock lines.

Tills send the baskets of the busiest stores of the Complete Journey at the same time. The ceiling is COPY of the same
lines into a temporary table and one merge into levels and ledger, on as many connections, in the same run. Prices are
not compared with the price list (URIBA_PRICE_VARIANCE=false), because those of the source differ from line to line.
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

BATCH_EVENTS = 100
DAY_BASKETS = 430
"""Baskets of the whole chain in a day: 155,848 in a year."""

WARM_UP_BATCHES = 2
ADJUST_ROWS = 10_000
ROWS_MAX = 1_000
TIMEOUT_S = 120

SYNC_MUTATION = """mutation Sync($i: PosSyncInput!) { posSync(input: $i) {
    results { eventId status errors { code message path } }
    acknowledged missing { from to } shortages errors { code message } } }"""
ADJUST_MUTATION = (
    "mutation ($i: StockAdjustInput!) { stockAdjust(input: $i) { levels { onHand } errors { code message } } }"
)

console = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one till, encoded without `sentAt`. `lines` is their number in all baskets, `rows` are for COPY."""

    till: int
    events: bytes
    baskets: int
    lines: int
    rows: Sequence[tuple[Any, ...]]


def bench(
    tills: Annotated[int, typer.Option(min=1, max=16)] = 4,
    days: Annotated[int, typer.Option(min=1, max=365, help="Days of the year to send, of the busiest stores.")] = 120,
    json: Annotated[Path | None, typer.Option(help="Where to write the figures as JSON.")] = None,
) -> None:
    """Measure posSync with real baskets. Exit status 1 if an event is not applied or an invariant is broken."""
    with tempfile.TemporaryDirectory(prefix="uriba-bench-") as folder:
        data_dir = Path(folder, "hub")
        with hub.run_hub(data_dir, processes=1, settings={"URIBA_PRICE_VARIANCE": "false"}) as running_hub:
            figures = asyncio.run(_measure(running_hub, CompleteJourneySales(stores=tills, days=days)))
        clean, check_output = hub.check_invariants(data_dir)
    _print_figures(figures, clean=clean, check_output=check_output)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(figures | {"clean": clean})))
    raise typer.Exit(0 if clean else 1)


async def _measure(running_hub: Hub, year: CompleteJourneySales) -> dict[str, float]:
    console.print("loading goods and stock")
    database = open_database(Settings(database_url=running_hub.database_url))
    await loading.load(database, year, progress=lambda *_: nullcontext(lambda _: None), coupons=False)
    await database.close()
    sales = SaleEvents(year)
    batches = [list(_batches(sales, n)) for n in range(len(sales.tills))]
    day_batches = -(-DAY_BASKETS // (len(batches) * BATCH_EVENTS))
    rest = [own[WARM_UP_BATCHES + day_batches :] for own in batches]
    if not any(rest):
        raise SystemExit("There are too few baskets to measure. Choose more days.")
    stores = [till.store for till in sales.tills]
    keys = [running_hub.create_key("terminal", "--location", store) for store in stores]
    staff = running_hub.create_key("staff", "--name", "Bench")
    async with httpx.AsyncClient(base_url=running_hub.url, timeout=TIMEOUT_S) as client:
        sender = _Sender(client, keys)
        await sender.send_all([own[:WARM_UP_BATCHES] for own in batches])
        figures = await _measure_rates(running_hub, sender, rest)
        console.print("sending a day of the whole chain")
        day = [list(_day_batches(sales, n, DAY_BASKETS // len(stores))) for n in range(len(stores))]
        figures |= await _measure_day(sender, day)
        figures["adjust_10_000_rows_s"] = await _adjust_s(client, staff, year)
    figures |= await _measure_ceilings(running_hub.database_url, rest, figures["lines_per_s"])
    return figures


def _batches(sales: SaleEvents, till: int) -> Iterator[Batch]:
    baskets = sales.tills[till].baskets
    for start in range(baskets.start, baskets.stop, BATCH_EVENTS):
        yield _batch(sales, till, range(start, min(start + BATCH_EVENTS, baskets.stop)))


def _day_batches(sales: SaleEvents, till: int, baskets: int) -> Iterator[Batch]:
    """Yield the baskets of one day, which the measurement of rates leaves out."""
    start = sales.tills[till].baskets.start + WARM_UP_BATCHES * BATCH_EVENTS
    yield _batch(sales, till, range(start, min(start + baskets, sales.tills[till].baskets.stop)))


def _batch(sales: SaleEvents, till: int, baskets: range) -> Batch:
    events = sales.events(baskets)
    decoded = [msgspec.json.decode(event) for event in events]
    rows = [
        (e["eventId"], e["sequence"], e["occurredAt"], e["receipt"], till, l["sku"], l["quantity"], l["unitPrice"])
        for e in decoded
        for l in e["lines"]  # noqa: E741
    ]
    return Batch(till, ",".join(events).encode(), len(events), len(rows), rows)


class _Sender:
    """Sends batches: all tills at the same time, each till its own in order. Every event must be applied."""

    def __init__(self, client: httpx.AsyncClient, keys: Sequence[str]) -> None:
        self.client, self.keys = client, keys
        self.head = b'{"query":' + msgspec.json.encode(SYNC_MUTATION) + b',"variables":{"i":{"sentAt":"'

    async def send_all(self, batches: Sequence[Sequence[Batch]]) -> float:
        """Send the batches of each till, and return the seconds it took."""
        started = time.perf_counter()
        async with asyncio.TaskGroup() as tills:
            for own in batches:
                tills.create_task(self._send(own))
        return time.perf_counter() - started

    async def _send(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            now = datetime.now(UTC).isoformat().encode()
            body = self.head + now + b'","events":[' + batch.events + b"]}}}"
            headers = {"authorization": f"Bearer {self.keys[batch.till]}", "content-type": "application/json"}
            response = (await self.client.post("", content=body, headers=headers)).content
            assert response.count(b'"APPLIED"') == batch.baskets, response[:2_000]


async def _measure_rates(running_hub: Hub, sender: _Sender, batches: Sequence[Sequence[Batch]]) -> dict[str, float]:
    console.print(f"sending {sum(b.baskets for own in batches for b in own):,} baskets")
    cpu_before, memory_before = _cpu(running_hub), _memory_mb(running_hub)
    took_s = await sender.send_all(batches)
    cpu_after = _cpu(running_hub)
    baskets = sum(batch.baskets for own in batches for batch in own)
    lines = sum(batch.lines for own in batches for batch in own)
    return {
        "baskets": baskets,
        "lines": lines,
        "seconds": took_s,
        "events_per_s": baskets / took_s,
        "lines_per_s": lines / took_s,
        "api_cpu_us_per_line": (cpu_after[0] - cpu_before[0]) / lines * 1e6,
        "postgres_cpu_us_per_line": (cpu_after[1] - cpu_before[1]) / lines * 1e6,
        "api_memory_mb_before": memory_before,
        "api_memory_mb_after": _memory_mb(running_hub),
    }


async def _measure_day(sender: _Sender, batches: Sequence[Sequence[Batch]]) -> dict[str, float]:
    lines = sum(batch.lines for own in batches for batch in own)
    return {"day_s": await sender.send_all(batches), "day_lines": lines}


async def _adjust_s(client: httpx.AsyncClient, staff: str, year: CompleteJourneySales) -> float:
    """Return the seconds for 10,000 rows of stockAdjust: 1,000 rows in a call, two calls at a time."""
    rows = [{"sku": o.sku, "location": o.store, "delta": 1} for o in year.opening_stock[:ADJUST_ROWS]]
    assert len(rows) == ADJUST_ROWS, "There are too few stock levels. Choose more tills or days."

    async def call(start: int) -> None:
        adjust_input = {"changes": rows[start : start + ROWS_MAX], "reason": "RECEIPT", "idempotencyKey": uuid4().hex}
        body = {"query": ADJUST_MUTATION, "variables": {"i": adjust_input}}
        answer = (await client.post("", json=body, headers={"authorization": f"Bearer {staff}"})).json()
        assert not answer["data"]["stockAdjust"]["errors"], answer

    started = time.perf_counter()
    calls: list[Awaitable[None]] = [call(start) for start in range(0, ADJUST_ROWS, ROWS_MAX)]
    for pair in zip(calls[::2], calls[1::2], strict=True):
        await asyncio.gather(*pair)
    return time.perf_counter() - started


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


async def _measure_ceilings(url: str, batches: Sequence[Sequence[Batch]], lines_per_s: float) -> dict[str, float]:
    """Return the lines per second of raw SQL: for levels only, and for levels with their ledger."""
    console.print("writing the same lines by raw SQL")
    driver = await asyncpg.connect(url)
    await driver.execute("CREATE TABLE ceiling_level (LIKE stock_level INCLUDING ALL)")
    await driver.execute("CREATE TABLE ceiling_movement (LIKE stock_movement INCLUDING ALL)")
    await driver.execute(
        "INSERT INTO ceiling_level (variant_id, location_id, on_hand) "
        "SELECT v.id, t, 1000000000 FROM variant v, generate_series(0, $1::bigint - 1) t",
        len(batches),
    )
    await driver.execute("VACUUM ANALYZE ceiling_level")
    lines = sum(batch.lines for own in batches for batch in own)
    figures: dict[str, float] = {}
    for name, statement in (("levels", _MERGE), ("levels_and_ledger", _LEDGER)):
        started = time.perf_counter()
        await asyncio.gather(*(_write_raw(url, own, statement) for own in batches))
        rate = lines / (time.perf_counter() - started)
        figures |= {f"raw_{name}_lines_per_s": rate, f"ratio_to_raw_{name}": lines_per_s / rate}
    await driver.execute("DROP TABLE ceiling_level, ceiling_movement")
    await driver.close()
    return figures


async def _write_raw(url: str, batches: Sequence[Batch], statement: str) -> None:
    driver = await asyncpg.connect(url)
    await driver.execute(_STAGE)
    for batch in batches:
        async with driver.transaction():
            await driver.copy_records_to_table("fact", records=batch.rows)
            await driver.execute(statement)
    await driver.close()


def _cpu(running_hub: Hub) -> tuple[float, float]:
    return _cpu_s(running_hub.api), _cpu_s(running_hub.postgres)


def _cpu_s(process: psutil.Process) -> float:
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return float(sum(t.user + t.system for t in times))


def _memory_mb(running_hub: Hub) -> float:
    return float(running_hub.api.memory_info().rss) / 1e6


def _print_figures(figures: dict[str, float], *, clean: bool, check_output: str) -> None:
    table = Table("figure", "value")
    for name, value in figures.items():
        text = f"1/{1 / value:.1f}" if name.startswith("ratio") else f"{value:,.1f}"
        table.add_row(name.replace("_", " "), text)
    Console().print(table)
    Console().print("All invariants hold." if clean else check_output, highlight=False, markup=False)


if __name__ == "__main__":
    typer.run(bench)
