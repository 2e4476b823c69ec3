"""Simulated tills: facts in one line each, posSync, and conflicts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from tests.support.client import Client
from tests.support.shop import ERRORS, ORDER, Shop

SYNC = f"""mutation ($i: PosSyncInput!) {{ posSync(input: $i) {{
    results {{ eventId status {ERRORS} warnings {{ code message path }} }}
    acknowledged missing {{ from to }} shortages {ERRORS} }} }}"""

CONFLICTS = """query ($l: String, $s: ConflictStatus, $k: ConflictKind) {
    conflicts(first: 100, location: $l, status: $s, kind: $k) { edges { node {
        id kind status message terminal quantity event errors { code message path } note resolvedBy
        location { code } variant { sku } order { number } } } } }"""

RESOLVE = f"""mutation ($i: ConflictResolveInput!) {{ conflictResolve(input: $i) {{
    conflict {{ id kind status note }} {ERRORS} }} }}"""

Fact = dict[str, Any]


def now(**ago: float) -> datetime:
    """Return the present time, or a time some time ago."""
    return datetime.now(UTC) - timedelta(**ago)


class Till:
    """A terminal of a shop. Facts get the next sequence; `send` sends any of them, in any order."""

    def __init__(self, shop: Shop, client: Client, store: str) -> None:
        self.shop, self.client, self.store = shop, client, store
        self.sequences = count(1)

    def fact(self, kind: str, lines: Sequence[dict[str, Any]], at: datetime | None = None, **given: Any) -> Fact:
        return {
            "eventId": uuid4().hex,
            "sequence": next(self.sequences),
            "type": kind,
            "occurredAt": (at or now()).isoformat(),
            "lines": list(lines),
            **given,
        }

    def sale(self, at: datetime | None = None, *, price: int = 100, **units: int) -> Fact:
        """Return a SALE paid in cash, each unit for the price: sale(TEA=2)."""
        fact = self.fact("SALE", [self.line(sku, n, unitPrice=str(price)) for sku, n in units.items()], at)
        total = price * sum(units.values())
        return {**fact, "receipt": uuid4().hex[:12], "tenders": [{"method": "CASH", "amount": str(total)}]}

    def stock_fact(self, kind: str, at: datetime | None = None, **units: int) -> Fact:
        """Return a fact without prices: moved("COUNT", TEA=5)."""
        return self.fact(kind, [self.line(sku, n) for sku, n in units.items()], at)

    def line(self, sku: str, quantity: int, **given: Any) -> dict[str, Any]:
        return {"sku": self.shop.sku(sku), "quantity": quantity, **given}

    async def send(self, *facts: Fact, epoch: int = 1, sent_at: datetime | None = None) -> dict[str, Any]:
        """Call posSync and return the payload."""
        given = {"sentAt": (sent_at or now()).isoformat(), "epoch": epoch, "events": list(facts)}
        return await self.client.mutate(SYNC, i=given)

    async def verdicts(self, *facts: Fact, **given: Any) -> list[str]:
        """Send facts and return the status of each."""
        payload = await self.send(*facts, **given)
        assert not payload["errors"], payload
        return statuses(payload)


async def open_till(shop: Shop, store: str = "S1") -> Till:
    return Till(shop, await shop.terminal(store), store)


def statuses(payload: dict[str, Any]) -> list[str]:
    return [result["status"] for result in payload["results"]]


def reasons(payload: dict[str, Any]) -> list[list[tuple[str, tuple[str, ...]]]]:
    """Return code and path of the errors of each fact."""
    return [[(error["code"], tuple(error["path"] or ())) for error in r["errors"]] for r in payload["results"]]


async def on_hand(shop: Shop, sku: str = "TEA", store: str = "S1") -> int:
    return int((await shop.stock_level(sku, store))["onHand"])


async def conflicts(shop: Shop, store: str = "S1", **given: str) -> list[dict[str, Any]]:
    """Return the conflicts of a store, the newest first. `given`: s the status, k the kind."""
    found = await shop.staff.execute(CONFLICTS, l=shop.code(store), **given)
    return [edge["node"] for edge in found["conflicts"]["edges"]]


async def resolve(shop: Shop, conflict: dict[str, Any], action: str, **given: Any) -> dict[str, Any]:
    return await shop.staff.mutate(RESOLVE, i={"id": conflict["id"], "action": action, **given})


async def orders(shop: Shop, store: str = "S1") -> list[dict[str, Any]]:
    """Return the orders of a store, the newest first."""
    found = await shop.staff.execute(
        f"query ($l: String) {{ orders(first: 50, location: $l) {{ edges {{ node {{ {ORDER} }} }} }} }}",
        l=shop.code(store),
    )
    return [edge["node"] for edge in found["orders"]["edges"]]


async def stored_facts(till: Till) -> int:
    """Return how many facts of a till the hub has stored, applied or parked."""
    assert till.client.key is not None
    async with till.shop.hub.database.reading() as session:
        return int(
            await session.fetchval(
                "SELECT (SELECT count(*) FROM pos_event e JOIN pos_terminal t ON t.id = e.terminal_id "
                "WHERE t.key_id = $1) + (SELECT count(*) FROM conflict WHERE terminal = $1 AND event IS NOT NULL)",
                key_id(till),
            )
        )


def key_id(till: Till) -> str:
    """Return the public part of a till's key."""
    assert till.client.key is not None
    return till.client.key.split("_")[2]
