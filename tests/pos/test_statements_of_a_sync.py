"""How often a till's batch speaks to PostgreSQL: no more often for many facts than for few."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tills import Fact, Till, now, open_till, statuses

from client import Client
from shop import Shop
from uriba import app
from uriba.db import Database, session
from uriba.outbox.database import open_database

PULL = "query ($c: String) { posPull(cursor: $c) { cursor more entries { kind key } } }"


class Counted:
    """A hub in this process with one connection, which writes down every statement."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.application: Any = None

    def like(self, till: Till) -> Till:
        """The same till, at this hub; its journal goes on."""
        client = Client("http://hub/graphql", key=till.client.key)
        client.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.application), headers=till.client.headers, timeout=20
        )
        till.shop.clients.append(client)
        same = Till(till.shop, client, till.store)
        same.sequences = till.sequences
        return same

    def since(self) -> list[str]:
        """What was said since the last look, each statement in one line."""
        said, self.said = self.said, []
        return [" ".join(statement.split())[:60] for statement in said]


@pytest.fixture
async def counted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Counted]:
    counter, opened = Counted(), []
    speak_json = session._set_json_codecs

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


def mixed(till: Till, facts: int) -> list[Fact]:
    """A busy morning: sales with receipts, returns of them, receipts, damages and a count."""
    made = []
    for n in range(facts // 5):
        sale = till.sale(now(minutes=90 - n % 60), TEA=2, POT=1, price=648)
        made += [sale, {**till.moved("RETURN", now(minutes=20), TEA=1), "originalReceipt": sale["receipt"]}]
        made += [till.moved("RECEIPT", TEA=3), till.moved("DAMAGE", POT=1), till.moved("COUNT", CUP=n)]
    return made


async def test_a_batch_costs_as_many_statements_as_another(shop: Shop, counted: Counted) -> None:
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


async def test_a_batch_of_sales_has_a_ceiling(shop: Shop, counted: Counted) -> None:
    till = counted.like(await open_till(shop))
    await till.verdicts(till.sale(TEA=1, price=648))
    counted.since()

    payload = await till.send(*(till.sale(TEA=1, POT=2, price=648) for _ in range(200)))

    said = counted.since()
    assert statuses(payload) == ["APPLIED"] * 200
    assert len(said) <= 30, said


async def test_a_batch_sent_again_costs_next_to_nothing(shop: Shop, counted: Counted) -> None:
    till = counted.like(await open_till(shop))
    facts = mixed(till, 100)
    await till.verdicts(*facts)
    counted.since()

    payload = await till.send(*facts)

    said = counted.since()
    assert set(statuses(payload)) == {"DUPLICATE"}
    assert len(said) <= 8, said


async def test_a_page_of_a_pull_has_a_ceiling(shop: Shop, counted: Counted) -> None:
    till = counted.like(await open_till(shop))
    await shop.receive(TEA_S1=1, POT_S1=1, CUP_S1=1)
    page = (await till.client.run(PULL))["posPull"]
    counted.since()

    await till.client.run(PULL)
    first = counted.since()
    await till.client.run(PULL, c=page["cursor"])
    following = counted.since()

    assert len(first) <= 12, first
    assert len(following) <= 14, following
