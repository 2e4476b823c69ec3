"""Ceilings: the rates of the same machine without the hub's code, measured in the same run.

For requests over HTTP: a bare litestar route that returns the same bytes. For races for scarce stock: the ledger's own
statement by pgbench, one unit of one level in each transaction, over the same socket.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit

import asyncpg
import msgspec

from benchmarks import iterations
from benchmarks.documents import Client, make_request
from benchmarks.hub import Hub
from benchmarks.load_generator import FAILED, LoadGenerator, LoadJob
from benchmarks.shop import PLENTY, SCARCE_STORE, Shop
from uriba.embedded import postgres
from uriba.inventory import ledger_sql
from uriba.inventory.enums import StockReason
from uriba.inventory.ledger import Movement

PGBENCH_EXTRA_TIME_S = 60


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The name of a ceiling and its rate."""

    name: str
    per_s: float


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Measures the ceilings of this run."""

    load_generator: LoadGenerator
    bare_port: int
    hub: Hub
    shop: Shop

    def bare_route(self, name: str, bodies: list[bytes], *, users: int, seconds: float) -> Ceiling:
        """Return the rate of the bare route for an iteration with these request bodies, answered as the hub does."""
        clients = [Client("127.0.0.1", self.bare_port, f"/{name}-{index}") for index in range(len(bodies))]
        requests = [make_request(client.request_head(), body) for client, body in zip(clients, bodies, strict=True)]
        job = LoadJob("127.0.0.1", self.bare_port, partial(iterations.repeat_requests, requests), users)
        self.load_generator.run(replace(job, seconds=min(seconds, 0.5)))
        result = self.load_generator.run(replace(job, seconds=seconds))
        assert not result.outcomes[FAILED], result.failures
        return Ceiling("bare route", len(result.iterations) / result.elapsed_s / len(bodies))

    def stock_statement(self, sku: str, *, clients: int, seconds: float) -> Ceiling:
        """Return the rate of the ledger's statement for a sale at a till, on a separate level with enough stock."""
        self.shop.set_scarce_stock(sku, PLENTY * 2)
        statement = asyncio.run(_stock_statement(self.hub.database_url, sku))
        with TemporaryDirectory() as folder:
            script = Path(folder, "sale.sql")
            script.write_text(statement)
            output = _run_pgbench(self.hub, script, clients, seconds)
        failed = int(re.findall(r"number of failed transactions: (\d+)", output)[0])
        assert failed == 0, output
        return Ceiling("pgbench", float(re.findall(r"tps = ([\d.]+)", output)[0]))


async def _stock_statement(database_url: str, sku: str) -> str:
    """Return the ledger's statement with constants instead of parameters, because pgbench has no JSON."""
    driver = await asyncpg.connect(database_url)
    try:
        variant_id = await driver.fetchval("SELECT id FROM variant WHERE sku = $1", sku)
        location_id = await driver.fetchval("SELECT id FROM location WHERE code = $1", SCARCE_STORE)
    finally:
        await driver.close()
    sale = Movement(
        variant_id=variant_id,
        location_id=location_id,
        reason=StockReason.SALE,
        quantity=1,
        on_hand=-1,
        till_need=1,
    )
    # pgbench would take :false for one of its variables, so a space follows every colon that is not of a cast.
    rows = msgspec.json.format(msgspec.json.encode([sale]), indent=1).decode().replace("\n", " ")
    constants = {
        ":movements": f"'{rows}'",
        ":reference": "'benchmark'::text",
        ":actor": "'benchmark'::text",
        ":occurred_at": "NULL",
    }
    return ledger_sql.POST.with_constants(constants).strip() + ";\n"


def _run_pgbench(hub: Hub, script: Path, clients: int, seconds: float) -> str:
    address = urlsplit(hub.database_url)
    query = parse_qs(address.query)
    connection = ("-h", query["host"][0], "-p", query["port"][0], "-U", str(address.username))
    options = ("-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(max(1, round(seconds))))
    process = subprocess.run(
        (str(postgres.program("pgbench")), *connection, *options, "-f", str(script), address.path.lstrip("/")),
        capture_output=True,
        text=True,
        timeout=seconds + PGBENCH_EXTRA_TIME_S,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout
