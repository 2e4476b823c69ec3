"""A stall on a marketplace: a shop's channel of its own with a connector, run by hand, one turn at a time."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from patience import eventually, numbered
from shop import ADDRESS, ERRORS, Shop
from uriba.connectors import leases
from uriba.connectors.port import Batch, Connector, Page, Pushed, Verdict
from uriba.connectors.run_report import Report
from uriba.connectors.runs import Connectors
from uriba.connectors.settings import ConnectorSettings
from uriba.core import ids
from uriba.outbound.client import Client

# Of no other test: what others sell in every channel, they price in JPY, and so it is not sold in this one.
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
class Stall:
    """A connector of the shop's channel `market`. `folder`: where its files are, if it is of FILE."""

    shop: Shop
    id: str
    code: str
    connectors: Connectors
    folder: Path

    async def run(self, port: Connector | None = None) -> Report:
        """One turn, once all that happened is in the feed and nobody else runs it."""
        await numbered(self.shop.hub.database)
        key = ids.uuid(self.id, "Connector")
        database, terms = self.connectors.database, self.connectors.terms
        held, row = await eventually(lambda: leases.claim(database, term_s=terms.lease_s, only=key), within_s=30)
        async with Client(self.connectors.settings, timeout_s=0.5) as client:
            report = await self.connectors.run(held, row, client, port=port)
        assert report is not None
        return report

    async def told(self, *names: str) -> dict[str, dict[str, str | None]]:
        """What the folder's files say last of these: units and price, in the order of their numbers."""
        return {
            name: {k: self.values().get((k, self.shop.sku(name))) for k in ("available", "price")} for name in names
        }

    def values(self) -> dict[tuple[str, str], str]:
        found: dict[tuple[str, str], str] = {}
        for file in sorted((self.folder / "out").glob("*.csv"), key=lambda one: int(one.stem.split("-")[1])):
            if not file.name.startswith("orders"):
                for row in csv.DictReader(file.read_text().splitlines()):
                    value = "available" if "available" in row else "price"
                    found[value, row["sku"]] = row[value]
        return found

    def answers(self) -> dict[str, dict[str, str]]:
        """What the folder says of orders, by number, the last word of each."""
        files = sorted((self.folder / "out").glob("orders-*.csv"))
        return {row["number"]: row for file in files for row in csv.DictReader(file.read_text().splitlines())}

    async def differences(self) -> list[dict[str, Any]]:
        found, after = [], None
        while True:
            data = await self.shop.staff.run(DIFFERENCES, id=self.id, first=100, after=after)
            page = data["connectorDifferences"]
            found += [e["node"] for e in page["edges"] if e["node"]["sku"].endswith(self.shop.mark)]
            if not page["pageInfo"]["hasNextPage"]:
                return found
            after = page["pageInfo"]["endCursor"]

    async def row(self) -> dict[str, Any]:
        data = await self.shop.staff.run(f"{{ connectors {{ {CONNECTOR} }} }}")
        return next(one for one in data["connectors"] if one["id"] == self.id)

    async def reports(self) -> list[dict[str, Any]]:
        """Newest first."""
        return [edge["node"] for edge in (await self.row())["runs"]["edges"]]

    def order(self, number: str, /, *, paid: str, **quantities: int) -> dict[str, Any]:
        """An order as the channel writes it, at the shop's prices: order("M-1", paid="648", TEA=1)."""
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

    def put(self, name: str, content: object) -> None:
        """A file comes in."""
        inbox = self.folder / "in"
        inbox.mkdir(parents=True, exist_ok=True)
        body = content if isinstance(content, bytes) else msgspec.json.encode(content)
        (inbox / f".{name}").write_bytes(body)
        (inbox / f".{name}").rename(inbox / name)

    async def orders(self) -> list[dict[str, Any]]:
        """The hub's orders of this channel."""
        data = await self.shop.staff.run(
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
    payload = await shop.staff.do(
        f"mutation ($rows: [{kind}!]!) {{ {name}({argument}: $rows) {{ count {ERRORS} }} }}", rows=rows
    )
    assert not payload["errors"], payload


async def sells_from(shop: Shop, *places: str) -> None:
    """The shop's channel `market`, and whose stock it may promise."""
    rates = [{"taxClass": "standard", "rate": "0.10"}, {"taxClass": "reduced", "rate": "0.08"}]
    channel = {
        "code": shop.code("market"),
        "name": "Market",
        "kind": "MARKETPLACE",
        "currency": CURRENCY,
        "locations": [shop.code(place) for place in places],
        "taxRates": rates,
    }
    await _upsert(shop, "channelsUpsert(channels", "ChannelInput", [channel])


async def open_stall(shop: Shop, folder: Path, *, url: str | None = None, **terms: Any) -> Stall:
    """A channel that sells TEA and POT from S1 and W1, and its connector: of REST where it has a URL, else of FILE."""
    await sells_from(shop, "S1", "W1")
    code = f"m-{shop.mark}"
    reach = {"kind": "REST", "url": url, "token": "t0ken"} if url else {"kind": "FILE"}
    payload = await shop.staff.do(CREATE, i={"code": code, "channel": shop.code("market"), **reach})
    assert not payload["errors"], payload
    given = {"lease_s": 5, "turn_s": 10, "retry_s": (0.001,), "backoff_s": 0.01, "order_retry_s": 0, **terms}
    work = shop.hub.work
    connectors = Connectors(work.database, work.settings, work.checkout, ConnectorSettings(dir=folder, **given))
    stall = Stall(shop, payload["connector"]["id"], code, connectors, folder / code)
    for name, amount in (("TEA", "648"), ("POT", "3300")):
        await stall.set_price(name, amount)
    return stall


class Killed(BaseException):
    """What a process that is ended at once leaves behind: nothing is tidied up."""


@dataclass
class Wrapped:
    """A connector with something before or after each push."""

    inner: Connector
    before: Callable[[Batch], Any] | None = None
    after: Callable[[Batch], Any] | None = None

    async def push(self, batch: Batch) -> Pushed:
        if self.before and (found := await self.before(batch)) is not None:
            return found  # type: ignore[no-any-return]
        pushed = await self.inner.push(batch)
        if self.after:
            await self.after(batch)
        return pushed

    async def fetch_orders(self, cursor: str | None) -> Page:
        return await self.inner.fetch_orders(cursor)

    async def received(self, page: Page, verdicts: Any) -> None:
        await self.inner.received(page, verdicts)

    async def acknowledge(self, number: int, verdicts: Any) -> None:
        assert all(isinstance(one, Verdict) for one in verdicts)
        await self.inner.acknowledge(number, verdicts)
