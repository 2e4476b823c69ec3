"""Orders that a marketplace sold and was paid for become orders of the hub: each once, and never what is not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from stall import RUN, Killed, Stall, open_stall

from patience import eventually, numbered
from shop import Shop
from uriba.connectors import leases, order_import, order_inbox
from uriba.connectors.external_orders import ExternalOrder, orders_of
from uriba.connectors.file_connector import FileConnector
from uriba.connectors.order_import import Desk
from uriba.connectors.port import Page, Verdict
from uriba.connectors.run_report import Report
from uriba.core import ids


@pytest.fixture
async def stall(shop: Shop, tmp_path: Path) -> AsyncIterator[Stall]:
    yield await open_stall(shop, tmp_path)


async def test_an_order_of_a_file_becomes_one_of_the_hub_paid_elsewhere(shop: Shop, stall: Stall) -> None:
    await shop.receive(TEA_W1=5)
    stall.put("a.json", {"orders": [stall.order("M-1", paid="1296", TEA=2)]})

    report = await stall.run()
    (order,) = await stall.orders()

    assert (report.orders_read, report.orders_placed, report.refused_count) == (1, 1, 0)
    assert order["paymentStatus"] == "PAID"
    assert order["total"]["amount"] == "1296"
    assert [(one["method"], one["reference"]) for one in order["payments"]] == [("EXTERNAL", "M-1")]
    assert {one["method"] for one in order["fulfillments"]} == {"SHIP"}
    assert stall.answers()["M-1"] == {
        "number": "M-1",
        "status": "PLACED",
        "order": order["number"],
        "code": "",
        "message": "",
    }
    assert [file.name for file in (stall.folder / "in").iterdir()] == []
    assert {file.name for file in (stall.folder / "done").iterdir()} == {"a.json", "a.json.report"}
    assert (await shop.level("TEA", "W1"))["available"] == 3


async def test_the_channel_hears_in_the_same_run_what_its_order_took(shop: Shop, stall: Stall) -> None:
    await shop.receive(TEA_W1=5)
    await stall.run()
    stall.put("a.json", [stall.order("M-1", paid="1296", TEA=2)])
    await stall.run()
    await stall.run()

    assert (await stall.told("TEA"))["TEA"]["available"] == "3"


async def test_an_order_brought_again_is_the_same_order_for_ever(shop: Shop, stall: Stall) -> None:
    await shop.receive(TEA_W1=5)
    order = stall.order("M-1", paid="648", TEA=1)
    for name in ("a.json", "b.json", "c.json"):
        stall.put(name, [order, order])
        await stall.run()
    stall.put("d.json", [stall.order("M-1", paid="1296", TEA=2)])
    other = await stall.run()

    (found,) = await stall.orders()
    assert stall.answers()["M-1"]["order"] == found["number"]
    assert [one["code"] for one in other.refused] == ["IDEMPOTENCY_KEY_REUSED"]
    assert (await shop.level("TEA", "W1"))["available"] == 4


async def _desk(stall: Stall) -> Desk:
    found = await leases.claim(stall.connectors.database, term_s=60, only=ids.uuid(stall.id, "Connector"))
    assert found
    held, row = found
    async with held.writing() as session:
        channel = await session.fetchrow("SELECT * FROM channel WHERE id = $1", row["channel_id"])
        now = await session.fetchval("SELECT now()")
    assert channel is not None
    until = asyncio.get_running_loop().time() + 60
    terms, checkout = stall.connectors.terms, stall.connectors.checkout
    return Desk(held, FileConnector(stall.folder), row, channel, checkout, terms, Report(), now, until)


async def test_many_who_place_one_order_at_once_place_it_once(shop: Shop, stall: Stall) -> None:
    """Whatever leases say: the order itself is decided by one."""
    await shop.receive(TEA_W1=50)
    desk = await _desk(stall)
    (read,) = _orders([stall.order("M-1", paid="648", TEA=1)])
    async with desk.held.writing() as session:
        await order_inbox.keep(session, desk.held.id, [read], term_s=60)
        row = await session.fetchrow("SELECT * FROM connector_order WHERE connector_id = $1", desk.held.id)
    assert row is not None

    await asyncio.gather(*(order_import.place(desk, row) for _ in range(8)))

    assert desk.report.orders_placed == 1
    assert len(await stall.orders()) == 1
    assert (await shop.level("TEA", "W1"))["available"] == 49


def _orders(written: list[dict[str, Any]]) -> list[ExternalOrder]:
    found = orders_of(written)
    assert all(isinstance(one, ExternalOrder) for one in found)
    return [one for one in found if isinstance(one, ExternalOrder)]


async def test_more_orders_than_units_sell_the_units_and_no_more(shop: Shop, stall: Stall) -> None:
    await shop.receive(TEA_S1=2, TEA_W1=1)
    stall.put("a.json", [stall.order(f"M-{n}", paid="648", TEA=1) for n in range(5)])

    report = await stall.run()

    assert report.orders_placed == 3
    assert [one["code"] for one in report.refused] == ["OUT_OF_STOCK"] * 2
    assert len(await stall.orders()) == 3


async def test_what_waits_for_stock_is_placed_when_it_comes(shop: Shop, stall: Stall) -> None:
    stall.put("a.json", [stall.order("M-1", paid="648", TEA=1)])
    await stall.run()
    waiting = dict(stall.answers())
    report = (stall.folder / "done" / "a.json.report").read_text()
    await shop.receive(TEA_W1=1)
    await shop.staff.do(RUN, id=stall.id)
    await stall.run()

    assert waiting == {}
    assert "WAITING" in report
    assert "OUT_OF_STOCK" in report
    assert stall.answers()["M-1"]["status"] == "PLACED"


async def test_what_waited_until_its_deadline_is_refused(stall: Stall) -> None:
    past = datetime.now(UTC) - timedelta(minutes=1)
    stall.put("a.json", [{**stall.order("M-1", paid="648", TEA=1), "deadline": past.isoformat()}])

    await stall.run()

    assert stall.answers()["M-1"]["status"] == "REFUSED"
    assert stall.answers()["M-1"]["code"] == "OUT_OF_STOCK"
    assert await stall.orders() == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"paid": "600"}, "PRICE_CHANGED"),
        ({"currency": "EUR"}, "CURRENCY_MISMATCH"),
        ({"lines": [{"sku": "no-such", "quantity": 1, "unitPrice": "648"}]}, "NOT_FOUND"),
        ({"lines": []}, "INVALID"),
        ({"paid": "six"}, "INVALID"),
    ],
)
async def test_what_cannot_be_placed_is_answered_with_its_code(
    shop: Shop, stall: Stall, change: dict[str, Any], code: str
) -> None:
    await shop.receive(TEA_W1=5)
    stall.put("a.json", [{**stall.order("M-1", paid="648", TEA=1), **change}, stall.order("M-2", paid="648", TEA=1)])

    report = await stall.run()

    assert stall.answers()["M-1"]["status"] == "REFUSED"
    assert stall.answers()["M-1"]["code"] == code
    assert [one["subject"] for one in report.refused] == ["M-1"]
    assert stall.answers()["M-2"]["status"] == "PLACED"
    assert (await shop.level("TEA", "W1"))["available"] == 4


async def test_another_price_than_the_book_has_is_refused_and_may_come_again(shop: Shop, stall: Stall) -> None:
    await shop.receive(TEA_W1=5)
    order = stall.order("M-1", paid="648", TEA=1)
    await stall.set_price("TEA", "700")
    stall.put("a.json", [order])
    await stall.run()
    refused = stall.answers()["M-1"]["code"]
    await stall.set_price("TEA", "648")
    stall.put("b.json", [order])
    await stall.run()

    assert refused == "PRICE_CHANGED"
    assert stall.answers()["M-1"]["status"] == "PLACED"


async def test_who_dies_before_the_file_is_put_away_reads_it_again_and_sells_once(shop: Shop, stall: Stall) -> None:
    await shop.receive(TEA_W1=5)
    stall.put("a.json", [stall.order("M-1", paid="648", TEA=1)])

    class Dying(FileConnector):
        async def received(self, page: Page, verdicts: Any) -> None:
            raise Killed

    with pytest.raises(Killed):
        await stall.run(Dying(stall.folder))
    left = [file.name for file in (stall.folder / "in").iterdir()]
    await stall.run()

    assert left == ["a.json"]
    assert len(await stall.orders()) == 1
    assert (stall.folder / "done" / "a.json").exists()
    assert stall.answers()["M-1"]["status"] == "PLACED"


async def test_who_dies_after_the_answer_answers_again_the_same(shop: Shop, stall: Stall) -> None:
    await shop.receive(TEA_W1=5)
    stall.put("a.json", [stall.order("M-1", paid="648", TEA=1)])

    class Dying(FileConnector):
        async def acknowledge(self, number: int, verdicts: Any) -> None:
            assert all(isinstance(one, Verdict) for one in verdicts)
            await super().acknowledge(number, verdicts)
            raise Killed

    with pytest.raises(Killed):
        await stall.run(Dying(stall.folder))
    first = stall.answers()["M-1"]
    await stall.run()

    assert stall.answers()["M-1"] == first
    assert len(list((stall.folder / "out").glob("orders-*.csv"))) == 2
    assert len(await stall.orders()) == 1


async def test_a_worker_runs_what_is_due(shop: Shop, stall: Stall) -> None:
    await shop.receive(TEA_W1=5)
    stall.put("a.json", [stall.order("M-1", paid="648", TEA=1)])
    await numbered(shop.hub.database)
    await shop.staff.do(RUN, id=stall.id)

    async def look() -> bool:
        await stall.connectors.run_due()
        return stall.folder.joinpath("out").exists() and "M-1" in stall.answers()

    await eventually(look, within_s=30)
