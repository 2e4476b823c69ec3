"""The calls that are made during a fault: drawn from a seed, repeated with their idempotency keys until they succeed. And
a client that follows a cart meanwhile."""

from __future__ import annotations

import asyncio
import random
from typing import Any
from uuid import UUID

import httpx
from websockets.exceptions import WebSocketException

from tests.support.client import Client, Refused
from tests.support.shop import ERRORS, Shop
from tests.support.tills import Till, open_till

STOCK = f"mutation ($i: StockAdjustInput!) {{ stockAdjust(input: $i) {{ levels {{ onHand }} {ERRORS} }} }}"
PAUSE_S = 0.02
RETRY_S = 0.1
FAILED = (httpx.HTTPError, Refused, ValueError)
"""No response, or one that asks to repeat the call."""

TIMEOUT_S = 8.0
"""A call that takes longer is given up and repeated."""


class Workload:
    """`done`: operations that succeeded; `failed`: calls that failed and were repeated."""

    def __init__(self, shop: Shop, seed: int) -> None:
        self.shop, self.rng = shop, random.Random(seed)
        self.done, self.failed = 0, 0
        self.cart: dict[str, Any] = {}
        self._closing = False
        self._tills: list[Till] = []
        self._guest: Client = shop.guest("stores")

    async def open(self) -> None:
        self._tills = [await open_till(self.shop, store) for store in ("S1", "S2")]
        await self.shop.receive(**{f"{sku}_{store}": 500 for sku in ("TEA", "POT") for store in ("S1", "S2")})
        self.cart = await self.shop.create_cart(self._guest, TEA=1)

    async def run(self) -> None:
        """Make calls until `close` is called."""
        while not self._closing:
            await self.step()
            await asyncio.sleep(PAUSE_S)

    def close(self) -> None:
        self._closing = True

    async def step(self) -> None:
        """Make one operation. One that cannot be repeated with its key is given up when it fails."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self.rng.choice([self._adjust, self._adjust, self._sync, self._add_to_cart, self._sell])()
            self.done += 1
        except (*FAILED, TimeoutError):
            self.failed += 1

    def _key(self) -> str:
        return UUID(int=self.rng.getrandbits(128), version=4).hex

    async def _mutate_until_done(self, client: Client, mutation: str, **given: Any) -> dict[str, Any]:
        """Repeat a call with its key until it succeeds."""
        while True:
            try:
                return await client.mutate(mutation, **given)
            except FAILED:
                self.failed += 1
                await asyncio.sleep(RETRY_S)

    async def _adjust(self) -> None:
        change = {
            "sku": self.shop.sku(self.rng.choice(["TEA", "POT"])),
            "location": self.shop.code(self.rng.choice(["S1", "S2"])),
            "delta": self.rng.randint(1, 3),
        }
        given = {"changes": [change], "reason": "RECEIPT", "idempotencyKey": self._key()}
        payload = await self._mutate_until_done(self.shop.staff, STOCK, i=given)
        assert not payload["errors"], payload

    async def _sync(self) -> None:
        """Let a till send facts, and send all of them again if it had no response."""
        till = self.rng.choice(self._tills)
        facts = [till.sale(price=648, TEA=1), till.stock_fact("RECEIPT", TEA=2, POT=1)]
        while True:
            try:
                payload = await till.send(*facts)
                assert not payload["errors"], payload
                return
            except FAILED:
                self.failed += 1
                await asyncio.sleep(RETRY_S)

    async def _add_to_cart(self) -> None:
        """Let the guest add to the cart that is followed."""
        key = self._key()
        while True:
            try:
                payload = await self.shop.add_lines(self._guest, self.cart, key=key, POT=1)
                assert not payload["errors"], payload
                return
            except FAILED:
                self.failed += 1
                await asyncio.sleep(RETRY_S)

    async def _sell(self) -> None:
        """Create a cart at a till and check it out, repeating the checkout until it succeeds."""
        till, key = self.rng.choice(self._tills), self._key()
        cart = await self.shop.create_cart(till.client, TEA=1, POT=1)
        while True:
            try:
                payload = await self.shop.check_out(till.client, cart, method="CASH", key=key)
                assert payload["order"], payload
                return
            except FAILED:
                self.failed += 1
                await asyncio.sleep(RETRY_S)

    async def cart_version(self) -> int:
        """Read the followed cart's version."""
        data = await self._guest.execute("query ($c: ID!) { cart(id: $c) { version } }", c=self.cart["id"])
        return int(data["cart"]["version"])


class CartFollower:
    """A client that follows the cart by a subscription and reconnects when it has to. `connects`: how often it connected;
    `version`: the newest version it got; `backwards`: versions that were older than the one before.
    """

    def __init__(self, workload: Workload) -> None:
        self._workload, self._client = workload, workload.shop.guest("stores")
        self.connects, self.version, self.backwards = 0, 0, 0

    async def run(self) -> None:
        """Follow until cancelled."""
        document = "subscription ($c: ID!) { cartChanged(cartId: $c) { version } }"
        while True:
            try:
                async with self._client.subscribe(document, c=self._workload.cart["id"]) as subscription:
                    self.connects += 1
                    while True:
                        version = int((await subscription.next())["version"])
                        self.backwards += version < self.version
                        self.version = version
            except (WebSocketException, OSError, Refused, TimeoutError, AssertionError):
                await asyncio.sleep(RETRY_S)
