"""The number of round trips of frequent operations: BEGIN and COMMIT count, a connection's first preparations do not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.checkout_calls import card, cart_to_ship, cash, pay
from tests.support.client import Client
from tests.support.shop import Shop
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


def checkout_input(cart: dict[str, Any], method: str, amount: str) -> dict[str, Any]:
    """A checkout's input, with one payment in yen."""
    payment = {"method": method, "amount": {"amount": amount, "currency": "JPY"}, "token": "ok"}
    return {"cartId": cart["id"], "idempotencyKey": cart["id"], "payments": [payment]}


class CountingHub:
    """A hub in this process with one connection, which records every statement."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.statements: list[str] = []
        self.application: Any = None

    def client(self, like: Client) -> Client:
        """Return the same caller as a client of this hub."""
        client = Client("http://hub/graphql", key=like.key)
        client.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.application), headers=like.http.headers, timeout=20
        )
        self.shop.clients.append(client)
        return client

    def since(self) -> list[str]:
        """Return the statements since the last call, each in one line."""
        statements, self.statements = self.statements, []
        return [" ".join(statement.split())[:60] for statement in statements]


@pytest.fixture
async def counting_hub(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CountingHub]:
    counter = CountingHub(shop)
    speak_json, opened = session._set_json_codecs, []

    async def introduce(driver: Any) -> None:
        await speak_json(driver)
        driver.add_query_logger(lambda record: counter.statements.append(record.query))

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
async def test_adding_to_a_cart_is_four_round_trips(
    shop: Shop, counting_hub: CountingHub, caller: str, key: str | None
) -> None:
    real = {"guest": shop.guest("web"), "customer": await shop.customer(), "till": await shop.terminal()}[caller]
    client, cart = counting_hub.client(real), await shop.create_cart(real, POT=1)
    lines = [{"sku": shop.sku("TEA")}, {"sku": shop.sku("CUP")}]
    await client.mutate(ADD, c=cart["id"], l=lines, k=key and "warm")
    counting_hub.since()

    payload = await client.mutate(ADD, c=cart["id"], l=lines, k=key)

    statements = counting_hub.since()
    assert (payload["errors"], payload["cart"]["quantity"]) == ([], 5)
    assert len(statements) == 4, statements
    assert (statements[0], statements[-1]) == ("BEGIN", "COMMIT")


async def test_adding_many_lines_is_no_more_round_trips_than_one(shop: Shop, counting_hub: CountingHub) -> None:
    guest = shop.guest("web")
    client, cart = counting_hub.client(guest), await shop.create_cart(guest)
    await client.mutate(ADD, c=cart["id"], l=[{"sku": shop.sku("TEA")}])
    counting_hub.since()

    await client.mutate(ADD, c=cart["id"], l=[{"sku": shop.sku(name)} for name in ("TEA", "POT", "CUP") * 30])

    assert len(counting_hub.since()) == 4


async def test_a_cash_checkout_is_six_round_trips_however_many_lines(shop: Shop, counting_hub: CountingHub) -> None:
    await shop.receive(TEA_S1=9, POT_S1=9, CUP_S1=9)
    real = await shop.terminal("S1")
    till = counting_hub.client(real)
    one, three = await shop.create_cart(real, TEA=1), await shop.create_cart(real, TEA=1, POT=1, CUP=1)
    await pay(till, await shop.create_cart(real, TEA=1), cash("648"))
    counting_hub.since()

    payloads = [
        await till.mutate(CHECKOUT, i=checkout_input(one, "CASH", "648")),
        await till.mutate(CHECKOUT, i=checkout_input(three, "CASH", "17530")),
    ]

    statements = counting_hub.since()
    assert [payload["errors"] for payload in payloads] == [[], []]
    assert len(statements) == 2 * 6, statements
    assert statements.count("BEGIN") == 2


async def test_a_card_checkout_has_a_ceiling_of_statements(shop: Shop, counting_hub: CountingHub) -> None:
    await shop.receive(TEA_W1=9, POT_W1=9, CUP_W1=9)
    real = shop.guest("app")
    guest = counting_hub.client(real)
    await pay(guest, await cart_to_ship(shop, real, TEA=1), card("648"))
    cart = await cart_to_ship(shop, real, TEA=1, POT=1, CUP=1)
    counting_hub.since()

    payload = await guest.mutate(CHECKOUT, i=checkout_input(cart, "TEST", "17530"))

    statements = counting_hub.since()
    assert payload["errors"] == []
    assert len(statements) <= 12, statements
