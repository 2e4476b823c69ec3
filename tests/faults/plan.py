"""The trade that goes on during a fault, drawn from a seed and given again with its keys until it is answered; and one
who follows it."""

from __future__ import annotations

import asyncio
import random
from typing import Any
from uuid import UUID

import httpx
from tills import Till, open_till
from websockets.exceptions import WebSocketException

from client import Client, Refused
from shop import ERRORS, Shop

STOCK = f"mutation ($i: StockAdjustInput!) {{ stockAdjust(input: $i) {{ levels {{ onHand }} {ERRORS} }} }}"
REST_S = 0.02
AGAIN_S = 0.1
LOST = (httpx.HTTPError, Refused, ValueError)
"""No answer, or one that says to ask again."""

ANSWER_S = 8.0
"""A call that takes longer is given up, and given again."""


class Trade:
    """`done`: operations that were answered; `failed`: calls that were not, and were given again."""

    def __init__(self, shop: Shop, seed: int) -> None:
        self.shop, self.dice = shop, random.Random(seed)
        self.done, self.failed = 0, 0
        self.cart: dict[str, Any] = {}
        self._closing = False
        self._tills: list[Till] = []
        self._guest: Client = shop.guest("stores")

    async def open(self) -> None:
        self._tills = [await open_till(self.shop, store) for store in ("S1", "S2")]
        await self.shop.receive(**{f"{sku}_{store}": 500 for sku in ("TEA", "POT") for store in ("S1", "S2")})
        self.cart = await self.shop.cart(self._guest, TEA=1)

    async def run(self) -> None:
        """Trade until told to close."""
        while not self._closing:
            await self.step()
            await asyncio.sleep(REST_S)

    def close(self) -> None:
        self._closing = True

    async def step(self) -> None:
        """One operation. One that cannot be repeated under its key is given up when it fails: nothing is owed for it."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self.dice.choice([self._adjust, self._adjust, self._sync, self._browse, self._sell])()
            self.done += 1
        except (*LOST, TimeoutError):
            self.failed += 1

    def _key(self) -> str:
        return UUID(int=self.dice.getrandbits(128), version=4).hex

    async def _again(self, client: Client, mutation: str, **given: Any) -> dict[str, Any]:
        """A call with its key, until it is answered."""
        while True:
            try:
                return await client.do(mutation, **given)
            except LOST:
                self.failed += 1
                await asyncio.sleep(AGAIN_S)

    async def _adjust(self) -> None:
        change = {
            "sku": self.shop.sku(self.dice.choice(["TEA", "POT"])),
            "location": self.shop.code(self.dice.choice(["S1", "S2"])),
            "delta": self.dice.randint(1, 3),
        }
        given = {"changes": [change], "reason": "RECEIPT", "idempotencyKey": self._key()}
        payload = await self._again(self.shop.staff, STOCK, i=given)
        assert not payload["errors"], payload

    async def _sync(self) -> None:
        """A till brings its facts, and brings them all again if it had no answer."""
        till = self.dice.choice(self._tills)
        facts = [till.sale(price=648, TEA=1), till.moved("RECEIPT", TEA=2, POT=1)]
        while True:
            try:
                payload = await till.send(*facts)
                assert not payload["errors"], payload
                return
            except LOST:
                self.failed += 1
                await asyncio.sleep(AGAIN_S)

    async def _browse(self) -> None:
        """A guest goes on with the cart that is followed."""
        key = self._key()
        while True:
            try:
                payload = await self.shop.add(self._guest, self.cart, key=key, POT=1)
                assert not payload["errors"], payload
                return
            except LOST:
                self.failed += 1
                await asyncio.sleep(AGAIN_S)

    async def _sell(self) -> None:
        """A cart is begun and paid at a till; the checkout is asked for until it is answered."""
        till, key = self.dice.choice(self._tills), self._key()
        cart = await self.shop.cart(till.client, TEA=1, POT=1)
        while True:
            try:
                payload = await self.shop.check_out(till.client, cart, method="CASH", key=key)
                assert payload["order"], payload
                return
            except LOST:
                self.failed += 1
                await asyncio.sleep(AGAIN_S)

    async def version(self) -> int:
        """The followed cart's version as it is read."""
        data = await self._guest.run("query ($c: ID!) { cart(id: $c) { version } }", c=self.cart["id"])
        return int(data["cart"]["version"])


class Follower:
    """Who follows the cart on a screen: connects again whenever it has to. `connected`: how often it did."""

    def __init__(self, trade: Trade) -> None:
        self._trade, self._client = trade, trade.shop.guest("stores")
        self.connected, self.shown, self.backwards = 0, 0, 0

    async def run(self) -> None:
        """Follow until cancelled."""
        document = "subscription ($c: ID!) { cartChanged(cartId: $c) { version } }"
        while True:
            try:
                async with self._client.subscribe(document, c=self._trade.cart["id"]) as following:
                    self.connected += 1
                    while True:
                        version = int((await following.next())["version"])
                        self.backwards += version < self.shown
                        self.shown = version
            except (WebSocketException, OSError, Refused, TimeoutError, AssertionError):
                await asyncio.sleep(AGAIN_S)
