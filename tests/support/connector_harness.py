"""A harness for connectors: a channel of the test's shop with a connector that the test runs, one run at a time."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tests.support.shop import ADDRESS, ERRORS, Shop
from tests.support.waiting import wait_for_positions, wait_until
from uriba.connectors import leases
from uriba.connectors.port import Batch, ConnectorPort, ImportOutcome, OrderPage, PushResult
from uriba.connectors.run_report import RunReport
from uriba.connectors.runs import ConnectorRunner
from uriba.connectors.settings import ConnectorSettings
from uriba.core import ids
from uriba.outbound.client import OutboundClient

# No other test uses it: prices of other tests that hold in every channel are in JPY, so they do not apply in this one.
CURRENCY = "KRW"
CONNECTOR = """id code kind status url hasToken everySeconds problem lagSeconds open refused channel { code }
    runs(first: 50) { edges { node { seen sent accepted attempts ordersRead ordersPlaced refusedCount problem endedAt
        nextRunAt refused { kind subject code message } } } }"""
CREATE = f"mutation ($i: ConnectorInput!) {{ connectorCreate(input: $i) {{ connector {{ {CONNECTOR} }} {ERRORS} }} }}"
UPDATE = (
    f"mutation ($i: ConnectorUpdateInput!) {{ connectorUpdate(input: $i) {{ connector {{ {CONNECTOR} }} {ERRORS} }} }}"
)
RUN = f"mutation ($id: ID!) {{ connectorRun(id: $id) {{ connector {{ {CONNECTOR} }} {ERRORS} }} }}"
DELETE = f"mutation ($id: ID!) {{ connectorDelete(id: $id) {{ connector {{ {CONNECTOR} }} {ERRORS} }} }}"
DIFFERENCES = """query ($id: ID!, $first: Int, $after: String) { connectorDifferences(id: $id, first: $first, after: $after) {
    edges { node { sku kind told book inDoubt refused { code message } } cursor }
    pageInfo { hasNextPage endCursor } } }"""


@dataclass
class ConnectorHarness:
    """A connector of the shop's channel `market`. `folder`: where the files of a FILE connector are."""

    shop: Shop
    id: str
    code: str
    runner: ConnectorRunner
    folder: Path

    async def run(self, port: ConnectorPort | None = None, *, timeout_s: float = 15) -> RunReport:
        """Run the connector once, when all events are in the feed and no worker runs it. `timeout_s`: of a response.

        The lease of a run that is killed ends at once: no test waits for it.
        """
        await wait_for_positions(self.shop.hub.database)
        key = ids.uuid(self.id, "Connector")
        database, settings = self.runner.database, self.runner.connector_settings
        lease, connector = await wait_until(
            lambda: leases.claim_and_commit(database, term_s=settings.lease_s, only=key), within_s=30
        )
        async with OutboundClient(self.runner.settings, timeout_s=timeout_s) as client:
            try:
                report = await self.runner.run(lease, connector, client, port=port)
            except BaseException:
                await lease.release_and_commit()
                raise
        assert report is not None
        return report

    async def sent_values(self, *names: str) -> dict[str, dict[str, str | None]]:
        """Return the newest units and price that the folder's files have of these variants."""
        return {
            name: {k: self._values_of_files().get((k, self.shop.sku(name))) for k in ("available", "price")}
            for name in names
        }

    def _values_of_files(self) -> dict[tuple[str, str], str]:
        """Return values by kind and SKU; of several files the one with the highest number counts."""
        found: dict[tuple[str, str], str] = {}
        for file in sorted((self.folder / "out").glob("*.csv"), key=lambda one: int(one.stem.split("-")[1])):
            if not file.name.startswith("orders"):
                for row in csv.DictReader(file.read_text().splitlines()):
                    value = "available" if "available" in row else "price"
                    found[value, row["sku"]] = row[value]
        return found

    def order_outcomes(self) -> dict[str, dict[str, str]]:
        """Return the newest outcome of each order that the folder's files have, by number."""
        files = sorted((self.folder / "out").glob("orders-*.csv"))
        return {row["number"]: row for file in files for row in csv.DictReader(file.read_text().splitlines())}

    async def differences(self) -> list[dict[str, Any]]:
        found, after = [], None
        while True:
            data = await self.shop.staff.execute(DIFFERENCES, id=self.id, first=100, after=after)
            page = data["connectorDifferences"]
            found += [e["node"] for e in page["edges"] if e["node"]["sku"].endswith(self.shop.suffix)]
            if not page["pageInfo"]["hasNextPage"]:
                return found
            after = page["pageInfo"]["endCursor"]

    async def connector(self) -> dict[str, Any]:
        data = await self.shop.staff.execute(f"{{ connectors {{ {CONNECTOR} }} }}")
        return next(one for one in data["connectors"] if one["id"] == self.id)

    async def run_reports(self) -> list[dict[str, Any]]:
        """Return the reports of runs, newest first."""
        return [edge["node"] for edge in (await self.connector())["runs"]["edges"]]

    def order(self, number: str, /, *, paid: str, **quantities: int) -> dict[str, Any]:
        """Return an order as the channel writes it, at the shop's prices: order("M-1", paid="648", TEA=1)."""
        prices = {"TEA": "648", "POT": "3300", "CUP": "13582"}
        return {
            "number": number,
            "currency": CURRENCY,
            "paid": paid,
            "address": ADDRESS,
            "lines": [
                {"sku": self.shop.sku(name), "quantity": quantity, "unitPrice": prices[name]}
                for name, quantity in quantities.items()
            ],
        }

    def put_file(self, name: str, content: object) -> None:
        """Put a file into the folder of incoming orders, whole."""
        inbox = self.folder / "in"
        inbox.mkdir(parents=True, exist_ok=True)
        body = content if isinstance(content, bytes) else msgspec.json.encode(content)
        (inbox / f".{name}").write_bytes(body)
        (inbox / f".{name}").rename(inbox / name)

    async def orders(self) -> list[dict[str, Any]]:
        """Return the hub's orders of this channel."""
        data = await self.shop.staff.execute(
            """query ($c: String) { orders(channel: $c, first: 100) { edges { node { id number status paymentStatus
                total { amount } payments { method status reference amount { amount } }
                lines { sku quantity } fulfillments { method status } timeline { actor } } } } }""",
            c=self.shop.code("market"),
        )
        return [edge["node"] for edge in data["orders"]["edges"]]

    async def set_price(self, name: str, amount: str, **given: Any) -> None:
        await _upsert(
            self.shop,
            "pricesUpsert(prices",
            "PriceInput",
            [
                {
                    "sku": self.shop.sku(name),
                    "channel": self.shop.code("market"),
                    "amount": {"amount": amount, "currency": CURRENCY},
                    **given,
                }
            ],
        )

    async def set_sold(self, name: str, *, sold: bool) -> None:
        tax = "reduced" if name == "TEA" else "standard"
        variant = {"sku": self.shop.sku(name), "name": name.title(), "taxClass": tax, "discontinued": not sold}
        product = {"handle": self.shop.code(name.lower()), "name": name.title(), "variants": [variant]}
        await _upsert(self.shop, "productsUpsert(products", "ProductInput", [product])


async def _upsert(shop: Shop, field: str, kind: str, rows: list[dict[str, Any]]) -> None:
    name, argument = field.split("(")
    payload = await shop.staff.mutate(
        f"mutation ($rows: [{kind}!]!) {{ {name}({argument}: $rows) {{ count {ERRORS} }} }}", rows=rows
    )
    assert not payload["errors"], payload


async def set_market_locations(shop: Shop, *locations: str) -> None:
    """Create the shop's channel `market`, or change the locations whose stock it may promise."""
    rates = [{"taxClass": "standard", "rate": "0.10"}, {"taxClass": "reduced", "rate": "0.08"}]
    channel = {
        "code": shop.code("market"),
        "name": "Market",
        "kind": "MARKETPLACE",
        "currency": CURRENCY,
        "locations": [shop.code(location) for location in locations],
        "taxRates": rates,
    }
    await _upsert(shop, "channelsUpsert(channels", "ChannelInput", [channel])


async def open_connector(shop: Shop, folder: Path, *, url: str | None = None, **settings: Any) -> ConnectorHarness:
    """Create a channel that sells TEA and POT from S1 and W1, and its connector: REST with a URL, else FILE."""
    await set_market_locations(shop, "S1", "W1")
    code = f"m-{shop.suffix}"
    reach = {"kind": "REST", "url": url, "token": "t0ken"} if url else {"kind": "FILE"}
    payload = await shop.staff.mutate(CREATE, i={"code": code, "channel": shop.code("market"), **reach})
    assert not payload["errors"], payload
    given = {"lease_s": 30, "turn_s": 10, "retry_s": (0.001,), "backoff_s": 0.01, "order_retry_s": 0, **settings}
    work = shop.hub.work
    runner = ConnectorRunner(work.database, work.settings, work.checkout, ConnectorSettings(dir=folder, **given))
    harness = ConnectorHarness(shop, payload["connector"]["id"], code, runner, folder / code)
    for name, amount in (("TEA", "648"), ("POT", "3300")):
        await harness.set_price(name, amount)
    return harness


class Killed(BaseException):
    """Stands for the end of the process: no error handler of the connector catches it."""


@dataclass
class WrappedConnector:
    """A connector that calls `before` and `after` around each push. What `before` returns replaces the push."""

    inner: ConnectorPort
    before: Callable[[Batch], Any] | None = None
    after: Callable[[Batch], Any] | None = None

    async def push(self, batch: Batch) -> PushResult:
        if self.before and (found := await self.before(batch)) is not None:
            return found  # type: ignore[no-any-return]
        result = await self.inner.push(batch)
        if self.after:
            await self.after(batch)
        return result

    async def fetch_orders(self, cursor: str | None) -> OrderPage:
        return await self.inner.fetch_orders(cursor)

    async def confirm_received(self, page: OrderPage, outcomes: Any) -> None:
        await self.inner.confirm_received(page, outcomes)

    async def acknowledge(self, number: int, outcomes: Any) -> None:
        assert all(isinstance(one, ImportOutcome) for one in outcomes)
        await self.inner.acknowledge(number, outcomes)
