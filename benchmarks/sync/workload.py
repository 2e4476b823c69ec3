"""The workload: sales of one till, thousands of stock changes, endpoints, and the feed's progress."""

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
from benchmarks.shop import LOCATIONS, SCARCE_STORE, SKUS, Shop

TILL_SKU = SKUS[0]
"""The SKU that the till sells, and that all subscribers follow."""

PRICE = "150"
ROWS_MAX = 1_000
TIMEOUT_S = 60
POLL_INTERVAL_S = 0.02
JITTER = 0.2

SYNC_MUTATION = """mutation Sync($i: PosSyncInput!) { posSync(input: $i) {
    results { eventId status } acknowledged errors { code message } } }"""
ADJUST_MUTATION = f"mutation ($i: StockAdjustInput!) {{ stockAdjust(input: $i) {{ levels {{ onHand }} {ERRORS} }} }}"
LEVEL_QUERY = (
    """query ($l: String, $s: [String!]) { stockLevels(location: $l, skus: $s) { edges { node { id onHand } } } }"""
)
CREATE_ENDPOINT = f"mutation ($i: EndpointInput!) {{ endpointCreate(input: $i) {{ endpoint {{ id }} {ERRORS} }} }}"
REPLAY_ENDPOINT = f"mutation ($e: ID!, $a: String!) {{ endpointReplay(id: $e, after: $a) {{ {ERRORS} }} }}"
DELETE_ENDPOINT = f"mutation ($e: ID!) {{ endpointDelete(id: $e) {{ {ERRORS} }} }}"


class Sale(NamedTuple):
    """A sale: when the request was sent, when the response arrived, and on hand after it."""

    sent_at: float
    answered_at: float
    on_hand: int


@dataclass
class Till:
    """A till that sells units of `TILL_SKU`, one with each posSync."""

    http: aiohttp.ClientSession
    shop: Shop
    key: str
    on_hand: int
    _sequence: Iterator[int] = field(default_factory=lambda: count(1))

    async def sell(self) -> Sale:
        now = datetime.now(UTC).isoformat()
        body = {"query": SYNC_MUTATION, "variables": {"i": {"sentAt": now, "events": [self._sale_event(now)]}}}
        sent_at = time.perf_counter()
        async with self.http.post(
            self.shop.hub.url, json=body, headers={"authorization": f"Bearer {self.key}"}
        ) as response:
            body_received = await response.read()
        answered_at = time.perf_counter()
        assert b'"APPLIED"' in body_received, body_received
        self.on_hand -= 1
        return Sale(sent_at, answered_at, self.on_hand)

    def _sale_event(self, now: str) -> dict[str, Any]:
        return {
            "eventId": uuid4().hex,
            "sequence": next(self._sequence),
            "type": "SALE",
            "occurredAt": now,
            "receipt": uuid4().hex,
            "lines": [{"sku": TILL_SKU, "quantity": 1, "unitPrice": PRICE}],
            "tenders": [{"method": "CASH", "amount": PRICE}],
        }

    async def sell_for(self, seconds: float, *, every_s: float) -> list[Sale]:
        """Sell for this time. The pauses vary, so that sales do not fall into step with a timer of the hub."""
        jitter, sales, until = random.Random(5), [], time.perf_counter() + seconds  # noqa: S311
        while time.perf_counter() < until:
            sales.append(await self.sell())
            await asyncio.sleep(every_s * (1 + JITTER * (2 * jitter.random() - 1)))
        return sales


def till_level(shop: Shop) -> tuple[str, int]:
    """Return id and on hand of the level that the till sells from."""
    (edge,) = shop.execute(LEVEL_QUERY, l=SCARCE_STORE, s=[TILL_SKU])["edges"]
    return edge["node"]["id"], edge["node"]["onHand"]


class EndpointClient:
    """Creates, replays and deletes endpoints of the receiver."""

    def __init__(self, shop: Shop, port: int) -> None:
        self._shop = shop
        self._port = port

    async def create(self, path: str) -> str:
        endpoint = {"url": f"http://127.0.0.1:{self._port}{path}"}
        payload = await asyncio.to_thread(self._shop.execute, CREATE_ENDPOINT, i=endpoint)
        endpoint_id: str = payload["endpoint"]["id"]
        return endpoint_id

    async def replay(self, endpoint: str, after: str) -> None:
        await asyncio.to_thread(self._shop.execute, REPLAY_ENDPOINT, e=endpoint, a=after)

    async def delete(self, endpoint: str) -> None:
        await asyncio.to_thread(self._shop.execute, DELETE_ENDPOINT, e=endpoint)


class FeedReader:
    """Reads the feed's progress in the database."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def end(self) -> int:
        position: int = await self._driver.fetchval("SELECT position FROM feed")
        return position

    async def wait_until_complete(self) -> int:
        """Wait until all committed events have a position, and return the last one."""
        while True:
            if not await self._driver.fetchval("SELECT EXISTS (SELECT FROM outbox_event WHERE position IS NULL)"):
                return await self.end()
            await asyncio.sleep(POLL_INTERVAL_S)


class StockChanges:
    """Makes stock changes. Successive events are of different levels, so that none is coalesced with a newer one."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._rows = cycle(
            [{"sku": s, "location": code, "delta": 1} for code in LOCATIONS for s in SKUS if s != TILL_SKU]
        )

    async def make(self, events: int) -> float:
        """Make this many events, and return the seconds it took."""
        started = time.perf_counter()
        for start in range(0, events, ROWS_MAX):
            rows = list(islice(self._rows, min(ROWS_MAX, events - start)))
            adjustment = {"changes": rows, "reason": "RECEIPT", "idempotencyKey": uuid4().hex}
            await asyncio.to_thread(self._shop.execute, ADJUST_MUTATION, i=adjustment)
        return time.perf_counter() - started


def worker_process(hub: Hub) -> psutil.Process:
    siblings = hub.api.parent().children()
    (worker,) = (process for process in siblings if process.cmdline()[0] == "uriba: worker")
    return worker
