"""A connection lost at COMMIT: the hub finds out the outcome, and the caller gets the right answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import pytest

from tests.support.api_server import serve
from tests.support.client import Client, Refused
from tests.support.shop import CART, ERRORS, Shop
from uriba import app
from uriba.config import Settings
from uriba.db import Database
from uriba.db.session import CONNECTION_LOST, OutcomeUnknown
from uriba.outbox import event

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

BEFORE, AFTER = "before the commit", "after the commit"


class Unlucky(Database):
    """A database whose connections are terminated at COMMIT, once for each of `losses`, before or after it."""

    def __init__(self, url: str, settings: Settings) -> None:
        super().__init__(url, settings)
        self.losses: list[str] = []
        self.lost = 0
        self.before_flush = event.write

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        async with super()._connection() as driver:
            yield UnluckyDriver(driver, self)


class UnluckyDriver:
    """asyncpg's connection with another COMMIT."""

    def __init__(self, driver: Any, database: Unlucky) -> None:
        self._driver = driver
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    async def execute(self, sql: str, *args: object) -> object:
        if not (sql.endswith("COMMIT") and self._database.losses):
            return await self._driver.execute(sql, *args)
        where = self._database.losses.pop(0)
        self._database.lost += 1
        pid = self._driver.get_server_pid()
        if where == BEFORE:
            await self._end(pid)
        await self._driver.execute(sql)
        await self._end(pid)
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    async def _end(self, pid: int) -> None:
        server = await asyncpg.connect(self._database._url)
        await server.execute(f"SELECT pg_terminate_backend({pid})")
        while await server.fetchval("SELECT true FROM pg_stat_activity WHERE pid = $1", pid):
            pass
        await server.close()


@pytest.fixture
async def unlucky(hub: RunningHub) -> AsyncIterator[Unlucky]:
    assert hub.settings.database_url
    found = Unlucky(hub.settings.database_url, hub.settings)
    yield found
    await found.close()


@pytest.fixture
async def url(hub: RunningHub, unlucky: Unlucky, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Return the address of an API server that uses the database with the losses."""
    monkeypatch.setattr(app, "open_database", lambda _: unlucky)
    async with serve(app.create(hub.settings)) as found:
        yield found


async def charges(unlucky: Unlucky, key: str) -> int:
    async with unlucky.reading() as session:
        return int(await session.fetchval("SELECT count(*) FROM sandbox_charge WHERE key = $1", key))


@pytest.mark.parametrize(("where", "stands"), [(BEFORE, 0), (AFTER, 1)])
async def test_a_connection_lost_at_commit_leaves_the_outcome_unknown(
    unlucky: Unlucky, where: str, stands: int
) -> None:
    unlucky.losses, key = [where], uuid4().hex
    notified: list[bool] = []
    unlucky.after_commit = lambda: notified.append(True)

    with pytest.raises(OutcomeUnknown):
        async with unlucky.transaction() as session:
            await session.run(
                "INSERT INTO sandbox_charge (key, status, amount_minor, currency) VALUES ($1, '', 0, '')", key
            )

    assert await charges(unlucky, key) == stands
    assert notified == []


async def test_a_connection_lost_before_commit_is_an_error_like_any_other(unlucky: Unlucky, hub: RunningHub) -> None:
    key = uuid4().hex

    with pytest.raises(CONNECTION_LOST):
        async with unlucky.transaction() as session:
            await session.run(
                "INSERT INTO sandbox_charge (key, status, amount_minor, currency) VALUES ($1, '', 0, '')", key
            )
            async with hub.database.reading() as other:
                await other.fetchval("SELECT pg_terminate_backend($1)", session.driver.get_server_pid())
            await session.run("SELECT pg_sleep(5)")

    assert await charges(unlucky, key) == 0


@pytest.mark.parametrize("losses", [[BEFORE], [AFTER]])
async def test_a_mutation_with_a_key_finds_out_the_outcome(
    shop: Shop, url: str, unlucky: Unlucky, losses: list[str]
) -> None:
    await shop.receive(TEA_S1=1)
    staff = Client(url, key=shop.keys["staff"])
    change = {"sku": shop.sku("TEA"), "location": shop.code("S1"), "delta": 2}
    unlucky.losses = list(losses)

    payload = await staff.mutate(
        f"mutation ($i: StockAdjustInput!) {{ stockAdjust(input: $i) {{ levels {{ onHand }} {ERRORS} }} }}",
        i={"changes": [change], "idempotencyKey": uuid4().hex},
    )

    assert payload == {"levels": [{"onHand": 3}], "errors": []}
    assert unlucky.lost == 1
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 3
    await staff.close()


@pytest.mark.parametrize("losses", [[BEFORE, BEFORE], [BEFORE, AFTER]])
async def test_an_unknown_outcome_is_answered_correctly_with_the_same_key_later(
    shop: Shop, url: str, unlucky: Unlucky, losses: list[str]
) -> None:
    staff, key = Client(url, key=shop.keys["staff"]), uuid4().hex
    adjust = f"mutation ($i: StockAdjustInput!) {{ stockAdjust(input: $i) {{ levels {{ onHand }} {ERRORS} }} }}"
    change = {"sku": shop.sku("TEA"), "location": shop.code("S1"), "delta": 2}
    unlucky.losses = list(losses)

    with pytest.raises(Refused) as refused:
        await staff.mutate(adjust, i={"changes": [change], "idempotencyKey": key})
    again = await staff.mutate(adjust, i={"changes": [change], "idempotencyKey": key})

    assert refused.value.codes == ["INTERNAL"]
    assert again == {"levels": [{"onHand": 2}], "errors": []}
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 2
    await staff.close()


@pytest.mark.parametrize("losses", [[BEFORE], [AFTER]])
async def test_a_checkout_for_cash_happens_once(shop: Shop, url: str, unlucky: Unlucky, losses: list[str]) -> None:
    await shop.receive(TEA_S1=5)
    till = await shop.terminal()
    unlucky_till = Client(url, key=till.key)
    cart = await shop.create_cart(till, TEA=2)
    unlucky.losses = list(losses)

    paid = await shop.check_out(unlucky_till, cart, method="CASH")

    assert paid["order"] and not paid["errors"]
    assert unlucky.lost == 1
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 3
    await unlucky_till.close()


@pytest.mark.parametrize("losses", [[BEFORE], [AFTER]])
async def test_a_checkout_by_a_provider_whose_first_commit_is_lost_happens_once(
    shop: Shop, url: str, unlucky: Unlucky, losses: list[str]
) -> None:
    await shop.receive(TEA_S1=5)
    guest = Client(url, channel=shop.code("web"))
    chosen = await shop.set_fulfillment(guest, await shop.create_cart(guest, TEA=2), "PICKUP", location="S1")
    unlucky.losses = list(losses)

    paid = await shop.check_out(guest, chosen["cart"], email="hana@example.com")

    assert paid["order"]["paymentStatus"] == "PAID"
    assert (await shop.stock_level("TEA", "S1"))["committed"] == 2
    await guest.close()


async def test_a_call_with_a_key_takes_effect_once_and_one_without_gets_an_error(
    shop: Shop, url: str, unlucky: Unlucky
) -> None:
    guest = Client(url, channel=shop.code("web"))
    cart = await shop.create_cart(guest, TEA=1)

    unlucky.losses = [AFTER]
    with_key = await shop.add_lines(guest, cart, key=uuid4().hex, TEA=1)
    unlucky.losses = [AFTER]
    with pytest.raises(Refused) as refused:
        await shop.add_lines(guest, cart, TEA=1)
    shown = await guest.execute(f"query ($c: ID!) {{ cart(id: $c) {{ {CART} }} }}", c=cart["id"])

    assert with_key["cart"]["quantity"] == 2
    assert refused.value.codes == ["INTERNAL"]
    assert shown["cart"]["quantity"] == 3
    await guest.close()
