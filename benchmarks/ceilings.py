"""Ceilings: what the same machine does without us, at the same time.

For what is asked over HTTP: a bare litestar route that returns the same bytes. For units that all want: the ledger's
own statement by pgbench, one unit of one level, each its own transaction, over the same socket.
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

from benchmarks import turns
from benchmarks.callers import FAILED, Callers, Job
from benchmarks.documents import Front, request
from benchmarks.hub import Hub
from benchmarks.shop import PLENTY, SCARCE_STORE, Shop
from uriba.embedded import postgres
from uriba.inventory import ledger_sql
from uriba.inventory.ledger import Movement
from uriba.inventory.models import StockReason

PGBENCH_PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A name and a rate."""

    name: str
    per_s: float


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Measures ceilings in this run."""

    callers: Callers
    bare_port: int
    hub: Hub
    shop: Shop

    def bare(self, name: str, bodies: list[bytes], *, callers: int, seconds: float) -> Ceiling:
        """As many requests of the same bodies as one turn has, each answered with what the hub answered."""
        fronts = [Front("127.0.0.1", self.bare_port, f"/{name}-{index}") for index in range(len(bodies))]
        requests = [
            request(front.head() + b"content-length: ", body) for front, body in zip(fronts, bodies, strict=True)
        ]
        job = Job("127.0.0.1", self.bare_port, partial(turns.replay, requests), callers)
        self.callers.call(replace(job, seconds=min(seconds, 0.5)))
        tally = self.callers.call(replace(job, seconds=seconds))
        assert not tally.outcomes[FAILED], tally.failures
        return Ceiling("bare route", len(tally.turns) / tally.elapsed_s / len(bodies))

    def stock_statement(self, sku: str, *, callers: int, seconds: float) -> Ceiling:
        """The ledger's statement as a sale at a till gives it, on a level of its own that has plenty."""
        self.shop.put(sku, PLENTY * 2)
        statement = asyncio.run(_stock_statement(self.hub.database_url, sku))
        with TemporaryDirectory() as folder:
            script = Path(folder, "take.sql")
            script.write_text(statement)
            said = _pgbench(self.hub, script, callers, seconds)
        failed = int(re.findall(r"number of failed transactions: (\d+)", said)[0])
        assert failed == 0, said
        return Ceiling("pgbench", float(re.findall(r"tps = ([\d.]+)", said)[0]))


async def _stock_statement(database_url: str, sku: str) -> str:
    """The ledger's constant with its parameters written in, as pgbench has no JSON of its own."""
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
        shelf_need=1,
    )
    # pgbench takes :false for a variable of its own: in its text, a blank follows every colon but those of casts.
    rows = msgspec.json.format(msgspec.json.encode([sale]), indent=1).decode().replace("\n", " ")
    given = {
        ":movements": f"'{rows}'",
        ":reference": "'benchmark'::text",
        ":actor": "'benchmark'::text",
        ":occurred_at": "NULL",
    }
    return ledger_sql.POST.with_constants(given).strip() + ";\n"


def _pgbench(hub: Hub, script: Path, callers: int, seconds: float) -> str:
    address = urlsplit(hub.database_url)
    where = parse_qs(address.query)
    place = ("-h", where["host"][0], "-p", where["port"][0], "-U", str(address.username))
    how = ("-n", "-M", "prepared", "-c", str(callers), "-j", "1", "-T", str(max(1, round(seconds))))
    ended = subprocess.run(
        (str(postgres.program("pgbench")), *place, *how, "-f", str(script), address.path.lstrip("/")),
        capture_output=True,
        text=True,
        timeout=seconds + PGBENCH_PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
