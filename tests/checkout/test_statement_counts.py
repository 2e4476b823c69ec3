"""How often the heavy operations speak to PostgreSQL: BEGIN and COMMIT count, what a connection learns once does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from paying import card, cash, pay, shipped

from client import Client
from shop import Shop
from uriba import app
from uriba.db import Database, session
from uriba.outbox.database import open_database

ADD = """mutation ($c: ID!, $l: [CartLineInput!]!, $k: String) {
    cartLinesAdd(cartId: $c, lines: $l, idempotencyKey: $k) {
        cart { id version quantity total { amount } lines { quantity total { amount } variant { sku } } }
        errors { code }
    }
}"""
CHECKOUT = """mutation ($i: CheckoutInput!) {
    checkout(input: $i) { order { id number status total { amount } } errors { code } }
}"""


def asked(cart: dict[str, Any], method: str, amount: str) -> dict[str, Any]:
    """A checkout's input, with one payment in yen."""
    payment = {"method": method, "amount": {"amount": amount, "currency": "JPY"}, "token": "ok"}
    return {"cartId": cart["id"], "idempotencyKey": cart["id"], "payments": [payment]}


class Counted:
    """A hub in this process with one connection, which writes down every statement."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.said: list[str] = []
        self.application: Any = None

    def client(self, like: Client) -> Client:
        """The same caller, asking this hub."""
        client = Client("http://hub/graphql", key=like.key)
        client.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.application), headers=like.http.headers, timeout=20
        )
        self.shop.clients.append(client)
        return client

    def since(self) -> list[str]:
        """What was said since the last look, each statement in one line."""
        said, self.said = self.said, []
        return [" ".join(statement.split())[:60] for statement in said]


@pytest.fixture
async def counted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Counted]:
    counter = Counted(shop)
    speak_json, opened = session._set_json_codecs, []

    async def introduce(driver: Any) -> None:
        await speak_json(driver)
        driver.add_query_logger(lambda record: counter.said.append(record.query))

    def opens(settings: Any) -> Database:
        opened.append(open_database(settings))
        return opened[-1]

    monkeypatch.setattr(session, "_set_json_codecs", introduce)
    monkeypatch.setattr(app, "open_database", opens)
    counter.application = app.create(shop.hub.settings.model_copy(update={"database_pool_size": 1}))
    yield counter
    for database in opened:
        await database.close()


@pytest.mark.parametrize("key", [None, "K"])
@pytest.mark.parametrize("caller", ["guest", "customer", "till"])
async def test_adding_to_a_cart_is_four_round_trips(shop: Shop, counted: Counted, caller: str, key: str | None) -> None:
    real = {"guest": shop.guest("web"), "customer": await shop.customer(), "till": await shop.terminal()}[caller]
    client, cart = counted.client(real), await shop.cart(real, POT=1)
    lines = [{"sku": shop.sku("TEA")}, {"sku": shop.sku("CUP")}]
    await client.do(ADD, c=cart["id"], l=lines, k=key and "warm")
    counted.since()

    payload = await client.do(ADD, c=cart["id"], l=lines, k=key)

    said = counted.since()
    assert (payload["errors"], payload["cart"]["quantity"]) == ([], 5)
    assert len(said) == 4, said
    assert (said[0], said[-1]) == ("BEGIN", "COMMIT")


async def test_adding_many_lines_is_no_more_round_trips_than_one(shop: Shop, counted: Counted) -> None:
    guest = shop.guest("web")
    client, cart = counted.client(guest), await shop.cart(guest)
    await client.do(ADD, c=cart["id"], l=[{"sku": shop.sku("TEA")}])
    counted.since()

    await client.do(ADD, c=cart["id"], l=[{"sku": shop.sku(name)} for name in ("TEA", "POT", "CUP") * 30])

    assert len(counted.since()) == 4


async def test_a_cash_checkout_is_six_round_trips_however_many_lines(shop: Shop, counted: Counted) -> None:
    await shop.receive(TEA_S1=9, POT_S1=9, CUP_S1=9)
    real = await shop.terminal("S1")
    till = counted.client(real)
    one, three = await shop.cart(real, TEA=1), await shop.cart(real, TEA=1, POT=1, CUP=1)
    await pay(till, await shop.cart(real, TEA=1), cash("648"))
    counted.since()

    payloads = [
        await till.do(CHECKOUT, i=asked(one, "CASH", "648")),
        await till.do(CHECKOUT, i=asked(three, "CASH", "17530")),
    ]

    said = counted.since()
    assert [payload["errors"] for payload in payloads] == [[], []]
    assert len(said) == 2 * 6, said
    assert said.count("BEGIN") == 2


async def test_a_card_checkout_has_a_ceiling_of_statements(shop: Shop, counted: Counted) -> None:
    await shop.receive(TEA_W1=9, POT_W1=9, CUP_W1=9)
    real = shop.guest("app")
    guest = counted.client(real)
    await pay(guest, await shipped(shop, real, TEA=1), card("648"))
    cart = await shipped(shop, real, TEA=1, POT=1, CUP=1)
    counted.since()

    payload = await guest.do(CHECKOUT, i=asked(cart, "TEST", "17530"))

    said = counted.since()
    assert payload["errors"] == []
    assert len(said) <= 12, said
