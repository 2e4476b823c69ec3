"""What happens in the shop that is listened to: sales of one till, and changes of stock by the thousand."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, cycle, islice
from typing import Any, NamedTuple
from uuid import uuid4

import aiohttp
import asyncpg
import psutil

from benchmarks.documents import ERRORS
from benchmarks.hub import Hub
from benchmarks.shop import PLACES, SCARCE_STORE, SKUS, Shop

HOT = SKUS[0]
"""What the till sells, and everybody follows."""

PRICE = "150"
ROWS_MAX = 1_000
ANSWER_S = 60
LOOK_S = 0.02
JITTER = 0.2

SYNC = """mutation Sync($i: PosSyncInput!) { posSync(input: $i) {
    results { eventId status } acknowledged errors { code message } } }"""
ADJUST = f"mutation ($i: StockAdjustInput!) {{ stockAdjust(input: $i) {{ levels {{ onHand }} {ERRORS} }} }}"
LEVEL = """query ($l: String, $s: [String!]) { stockLevels(location: $l, skus: $s) { edges { node { id onHand } } } }"""
OPEN = f"mutation ($i: EndpointInput!) {{ endpointCreate(input: $i) {{ endpoint {{ id }} {ERRORS} }} }}"
REPLAY = f"mutation ($e: ID!, $a: String!) {{ endpointReplay(id: $e, after: $a) {{ {ERRORS} }} }}"
CLOSE = f"mutation ($e: ID!) {{ endpointDelete(id: $e) {{ {ERRORS} }} }}"


class Sold(NamedTuple):
    """A sale: when the till asked, when it had the answer, and what is left on its shelf."""

    asked: float
    answered: float
    on_hand: int


@dataclass
class Till:
    """Sells one unit of the hot goods after the other, each with its own posSync."""

    http: aiohttp.ClientSession
    shop: Shop
    key: str
    on_hand: int
    _sequence: Iterator[int] = field(default_factory=lambda: count(1))

    async def sell(self) -> Sold:
        now = datetime.now(UTC).isoformat()
        body = {"query": SYNC, "variables": {"i": {"sentAt": now, "events": [self._sale(now)]}}}
        asked = time.perf_counter()
        async with self.http.post(
            self.shop.hub.url, json=body, headers={"authorization": f"Bearer {self.key}"}
        ) as answer:
            said = await answer.read()
        answered = time.perf_counter()
        assert b'"APPLIED"' in said, said
        self.on_hand -= 1
        return Sold(asked, answered, self.on_hand)

    def _sale(self, now: str) -> dict[str, Any]:
        return {
            "eventId": uuid4().hex,
            "sequence": next(self._sequence),
            "type": "SALE",
            "occurredAt": now,
            "receipt": uuid4().hex,
            "lines": [{"sku": HOT, "quantity": 1, "unitPrice": PRICE}],
            "tenders": [{"method": "CASH", "amount": PRICE}],
        }

    async def sell_for(self, seconds: float, *, every_s: float) -> list[Sold]:
        """Sales, not quite evenly spaced, so that no clock of the hub's is met again and again."""
        dice, sold, until = random.Random(5), [], time.perf_counter() + seconds  # noqa: S311
        while time.perf_counter() < until:
            sold.append(await self.sell())
            await asyncio.sleep(every_s * (1 + JITTER * (2 * dice.random() - 1)))
        return sold


def hot_level(shop: Shop) -> tuple[str, int]:
    """The hot goods' level at the till: its id, and how many there are."""
    (edge,) = shop.ask(LEVEL, l=SCARCE_STORE, s=[HOT])["edges"]
    return edge["node"]["id"], edge["node"]["onHand"]


class Endpoints:
    """Endpoints of the receiver, made and deleted."""

    def __init__(self, shop: Shop, port: int) -> None:
        self._shop = shop
        self._port = port

    async def open(self, path: str) -> str:
        given = {"url": f"http://127.0.0.1:{self._port}{path}"}
        made = await asyncio.to_thread(self._shop.ask, OPEN, i=given)
        found: str = made["endpoint"]["id"]
        return found

    async def replay(self, endpoint: str, after: str) -> None:
        await asyncio.to_thread(self._shop.ask, REPLAY, e=endpoint, a=after)

    async def close(self, endpoint: str) -> None:
        await asyncio.to_thread(self._shop.ask, CLOSE, e=endpoint)


class Feed:
    """The feed, looked at in the database."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def end(self) -> int:
        found: int = await self._driver.fetchval("SELECT position FROM feed")
        return found

    async def quiet(self) -> int:
        """Wait until all that was committed has its place; the feed's end."""
        while True:
            if not await self._driver.fetchval("SELECT EXISTS (SELECT FROM outbox_event WHERE position IS NULL)"):
                return await self.end()
            await asyncio.sleep(LOOK_S)


class Changes:
    """Deliveries of goods: of each event another level, so that none can be left out for a newer one."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._rows = cycle([{"sku": s, "location": p, "delta": 1} for p in PLACES for s in SKUS if s != HOT])

    async def make(self, events: int) -> float:
        """How many seconds it took to make so many."""
        began = time.perf_counter()
        for start in range(0, events, ROWS_MAX):
            rows = list(islice(self._rows, min(ROWS_MAX, events - start)))
            given = {"changes": rows, "reason": "RECEIPT", "idempotencyKey": uuid4().hex}
            await asyncio.to_thread(self._shop.ask, ADJUST, i=given)
        return time.perf_counter() - began


def worker(hub: Hub) -> psutil.Process:
    """The worker of a hub."""
    (found,) = (one for one in hub.api.parent().children() if one.cmdline()[-2:] == ["uriba", "worker"])
    return found
