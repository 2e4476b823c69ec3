"""The number of statements of a batch, which does not depend on the number of facts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.client import Client
from tests.support.shop import Shop
from tests.support.tills import Fact, Till, now, open_till, statuses
from uriba import app
from uriba.db import Database, session
from uriba.outbox.database import open_database

PULL = "query ($c: String) { posPull(cursor: $c) { cursor more entries { kind key } } }"


class Counted:
    """A hub in this process with one connection, which records every statement."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.application: Any = None

    def like(self, till: Till) -> Till:
        """Return the same till, with its journal, as a client of this hub."""
        client = Client("http://hub/graphql", key=till.client.key)
        client.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.application), headers=till.client.headers, timeout=20
        )
        till.shop.clients.append(client)
        same = Till(till.shop, client, till.store)
        same.sequences = till.sequences
        return same

    def since(self) -> list[str]:
        """Return the statements since the last call, each in one line."""
        statements, self.statements = self.statements, []
        return [" ".join(statement.split())[:60] for statement in statements]


@pytest.fixture
async def counted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Counted]:
    counter, opened = Counted(), []
    speak_json = session._set_json_codecs

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


def mixed(till: Till, facts: int) -> list[Fact]:
    """Return facts of all types: sales with receipts, returns of them, receipts, damages and a count."""
    made = []
    for n in range(facts // 5):
        sale = till.sale(now(minutes=90 - n % 60), TEA=2, POT=1, price=648)
        made += [sale, {**till.stock_fact("RETURN", now(minutes=20), TEA=1), "originalReceipt": sale["receipt"]}]
        made += [till.stock_fact("RECEIPT", TEA=3), till.stock_fact("DAMAGE", POT=1), till.stock_fact("COUNT", CUP=n)]
    return made


async def test_the_number_of_statements_does_not_depend_on_the_batch(shop: Shop, counted: Counted) -> None:
    till = counted.like(await open_till(shop))
    await till.verdicts(*mixed(till, 5))
    counted.since()

    few = await till.send(*mixed(till, 10))
    said_few = counted.since()
    many = await till.send(*mixed(till, 500))
    said_many = counted.since()

    assert (set(statuses(few)), set(statuses(many))) == ({"APPLIED"}, {"APPLIED"})
    assert len(said_many) <= len(said_few) + 3, (said_few, said_many)
    assert len(said_many) <= 45, said_many
    assert said_many.count("BEGIN") == 1


async def test_a_batch_of_sales_has_a_maximum_of_statements(shop: Shop, counted: Counted) -> None:
    till = counted.like(await open_till(shop))
    await till.verdicts(till.sale(TEA=1, price=648))
    counted.since()

    payload = await till.send(*(till.sale(TEA=1, POT=2, price=648) for _ in range(200)))

    statements = counted.since()
    assert statuses(payload) == ["APPLIED"] * 200
    assert len(statements) <= 30, statements


async def test_a_repeated_batch_takes_few_statements(shop: Shop, counted: Counted) -> None:
    till = counted.like(await open_till(shop))
    facts = mixed(till, 100)
    await till.verdicts(*facts)
    counted.since()

    payload = await till.send(*facts)

    statements = counted.since()
    assert set(statuses(payload)) == {"DUPLICATE"}
    assert len(statements) <= 8, statements


async def test_a_page_of_a_pull_has_a_maximum_of_statements(shop: Shop, counted: Counted) -> None:
    till = counted.like(await open_till(shop))
    await shop.receive(TEA_S1=1, POT_S1=1, CUP_S1=1)
    page = (await till.client.execute(PULL))["posPull"]
    counted.since()

    await till.client.execute(PULL)
    first = counted.since()
    await till.client.execute(PULL, c=page["cursor"])
    following = counted.since()

    assert len(first) <= 12, first
    assert len(following) <= 14, following
