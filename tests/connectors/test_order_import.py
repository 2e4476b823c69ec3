"""Import of orders that a marketplace sold and was paid for: each becomes one order of the hub, within the stock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.connector_harness import RUN, ConnectorHarness, Killed, open_connector
from tests.support.shop import Shop
from tests.support.waiting import wait_for_positions, wait_until
from uriba.catalog import channels
from uriba.connectors import leases, order_import, order_inbox
from uriba.connectors.external_orders import ExternalOrder, parse_orders
from uriba.connectors.file_connector import FileConnector
from uriba.connectors.order_import import ImportContext
from uriba.connectors.order_inbox import StoredOrder
from uriba.connectors.port import ImportOutcome, OrderPage
from uriba.connectors.run_report import RunReport
from uriba.core import ids
from uriba.db.statements import statement


@pytest.fixture
async def harness(shop: Shop, tmp_path: Path) -> AsyncIterator[ConnectorHarness]:
    yield await open_connector(shop, tmp_path)


async def test_imports_an_order_of_a_file_as_paid_externally(shop: Shop, harness: ConnectorHarness) -> None:
    await shop.receive(TEA_W1=5)
    harness.put_file("a.json", {"orders": [harness.order("M-1", paid="1296", TEA=2)]})

    report = await harness.run()
    (order,) = await harness.orders()

    assert (report.orders_read, report.orders_placed, report.refused_count) == (1, 1, 0)
    assert order["paymentStatus"] == "PAID"
    assert order["total"]["amount"] == "1296"
    assert [(one["method"], one["reference"]) for one in order["payments"]] == [("EXTERNAL", "M-1")]
    assert {one["method"] for one in order["fulfillments"]} == {"SHIP"}
    assert harness.order_outcomes()["M-1"] == {
        "number": "M-1",
        "status": "PLACED",
        "order": order["number"],
        "code": "",
        "message": "",
    }
    assert [file.name for file in (harness.folder / "in").iterdir()] == []
    assert {file.name for file in (harness.folder / "done").iterdir()} == {"a.json", "a.json.report"}
    assert (await shop.stock_level("TEA", "W1"))["available"] == 3


async def test_sends_the_availability_that_an_imported_order_reduced(shop: Shop, harness: ConnectorHarness) -> None:
    await shop.receive(TEA_W1=5)
    await harness.run()
    harness.put_file("a.json", [harness.order("M-1", paid="1296", TEA=2)])
    await harness.run()
    await harness.run()

    assert (await harness.sent_values("TEA"))["TEA"]["available"] == "3"


async def test_imports_an_order_once_however_often_it_is_sent(shop: Shop, harness: ConnectorHarness) -> None:
    await shop.receive(TEA_W1=5)
    order = harness.order("M-1", paid="648", TEA=1)
    for name in ("a.json", "b.json", "c.json"):
        harness.put_file(name, [order, order])
        await harness.run()
    harness.put_file("d.json", [harness.order("M-1", paid="1296", TEA=2)])
    other = await harness.run()

    (found,) = await harness.orders()
    assert harness.order_outcomes()["M-1"]["order"] == found["number"]
    assert [refusal.code for refusal in other.refused] == ["IDEMPOTENCY_KEY_REUSED"]
    assert (await shop.stock_level("TEA", "W1"))["available"] == 4


async def _import_context(harness: ConnectorHarness) -> ImportContext:
    key = ids.uuid(harness.id, "Connector")
    claimed = await leases.claim_and_commit(harness.runner.database, term_s=60, only=key)
    assert claimed
    lease, connector = claimed
    async with lease.writing() as session:
        channel = (await channels.by_id(session, [connector.channel_id]))[connector.channel_id]
        now = await session.fetchval(statement("SELECT now()"))
    until = asyncio.get_running_loop().time() + 60
    return ImportContext(
        lease=lease,
        port=FileConnector(harness.folder),
        connector=connector,
        channel=channel,
        checkout=harness.runner.checkout,
        settings=harness.runner.connector_settings,
        report=RunReport(),
        began=now,
        until=until,
    )


async def test_concurrent_imports_of_one_order_place_it_once(shop: Shop, harness: ConnectorHarness) -> None:
    """Even without leases: the lock on the order row lets only one caller place it."""
    await shop.receive(TEA_W1=50)
    context = await _import_context(harness)
    (read,) = _orders([harness.order("M-1", paid="648", TEA=1)])
    connector_id = context.lease.connector_id
    async with context.lease.writing() as session:
        await order_inbox.store(session, connector_id, [read], term_s=60)
        row = await session.fetchrow(_STORED, connector_id=connector_id)
    assert row is not None
    stored = StoredOrder.from_row(row)

    await asyncio.gather(*(order_import.place_and_commit(context, stored) for _ in range(8)))

    assert context.report.orders_placed == 1
    assert len(await harness.orders()) == 1
    assert (await shop.stock_level("TEA", "W1"))["available"] == 49


_STORED = statement(
    "SELECT connector_id, number, digest, document FROM connector_order WHERE connector_id = :connector_id"
)


def _orders(written: list[dict[str, Any]]) -> list[ExternalOrder]:
    found = parse_orders(written)
    assert all(isinstance(one, ExternalOrder) for one in found)
    return [one for one in found if isinstance(one, ExternalOrder)]


async def test_places_no_more_orders_than_there_are_units(shop: Shop, harness: ConnectorHarness) -> None:
    await shop.receive(TEA_S1=2, TEA_W1=1)
    harness.put_file("a.json", [harness.order(f"M-{n}", paid="648", TEA=1) for n in range(5)])

    report = await harness.run()

    assert report.orders_placed == 3
    assert [refusal.code for refusal in report.refused] == ["OUT_OF_STOCK"] * 2
    assert len(await harness.orders()) == 3


async def test_places_a_waiting_order_when_stock_arrives(shop: Shop, harness: ConnectorHarness) -> None:
    harness.put_file("a.json", [harness.order("M-1", paid="648", TEA=1)])
    await harness.run()
    waiting = dict(harness.order_outcomes())
    report = (harness.folder / "done" / "a.json.report").read_text()
    await shop.receive(TEA_W1=1)
    await shop.staff.mutate(RUN, id=harness.id)
    await harness.run()

    assert waiting == {}
    assert "WAITING" in report
    assert "OUT_OF_STOCK" in report
    assert harness.order_outcomes()["M-1"]["status"] == "PLACED"


async def test_refuses_a_waiting_order_after_its_deadline(harness: ConnectorHarness) -> None:
    past = datetime.now(UTC) - timedelta(minutes=1)
    harness.put_file("a.json", [{**harness.order("M-1", paid="648", TEA=1), "deadline": past.isoformat()}])

    await harness.run()

    assert harness.order_outcomes()["M-1"]["status"] == "REFUSED"
    assert harness.order_outcomes()["M-1"]["code"] == "OUT_OF_STOCK"
    assert await harness.orders() == []


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
async def test_reports_the_code_of_an_order_that_cannot_be_placed(
    shop: Shop, harness: ConnectorHarness, change: dict[str, Any], code: str
) -> None:
    await shop.receive(TEA_W1=5)
    harness.put_file(
        "a.json", [{**harness.order("M-1", paid="648", TEA=1), **change}, harness.order("M-2", paid="648", TEA=1)]
    )

    report = await harness.run()

    assert harness.order_outcomes()["M-1"]["status"] == "REFUSED"
    assert harness.order_outcomes()["M-1"]["code"] == code
    assert [refusal.subject for refusal in report.refused] == ["M-1"]
    assert harness.order_outcomes()["M-2"]["status"] == "PLACED"
    assert (await shop.stock_level("TEA", "W1"))["available"] == 4


async def test_refuses_an_outdated_price_and_accepts_the_order_again_later(
    shop: Shop, harness: ConnectorHarness
) -> None:
    await shop.receive(TEA_W1=5)
    order = harness.order("M-1", paid="648", TEA=1)
    await harness.set_price("TEA", "700")
    harness.put_file("a.json", [order])
    await harness.run()
    refused = harness.order_outcomes()["M-1"]["code"]
    await harness.set_price("TEA", "648")
    harness.put_file("b.json", [order])
    await harness.run()

    assert refused == "PRICE_CHANGED"
    assert harness.order_outcomes()["M-1"]["status"] == "PLACED"


async def test_a_crash_before_the_file_is_moved_sells_once(shop: Shop, harness: ConnectorHarness) -> None:
    await shop.receive(TEA_W1=5)
    harness.put_file("a.json", [harness.order("M-1", paid="648", TEA=1)])

    class CrashingConnector(FileConnector):
        async def confirm_received(self, page: OrderPage, outcomes: Any) -> None:
            raise Killed

    with pytest.raises(Killed):
        await harness.run(CrashingConnector(harness.folder))
    left = [file.name for file in (harness.folder / "in").iterdir()]
    await harness.run()

    assert left == ["a.json"]
    assert len(await harness.orders()) == 1
    assert (harness.folder / "done" / "a.json").exists()
    assert harness.order_outcomes()["M-1"]["status"] == "PLACED"


async def test_a_crash_after_the_acknowledgement_repeats_it_unchanged(shop: Shop, harness: ConnectorHarness) -> None:
    await shop.receive(TEA_W1=5)
    harness.put_file("a.json", [harness.order("M-1", paid="648", TEA=1)])

    class CrashingConnector(FileConnector):
        async def acknowledge(self, number: int, outcomes: Any) -> None:
            assert all(isinstance(one, ImportOutcome) for one in outcomes)
            await super().acknowledge(number, outcomes)
            raise Killed

    with pytest.raises(Killed):
        await harness.run(CrashingConnector(harness.folder))
    first = harness.order_outcomes()["M-1"]
    await harness.run()

    assert harness.order_outcomes()["M-1"] == first
    assert len(list((harness.folder / "out").glob("orders-*.csv"))) == 2
    assert len(await harness.orders()) == 1


async def test_a_worker_runs_due_connectors(shop: Shop, harness: ConnectorHarness) -> None:
    await shop.receive(TEA_W1=5)
    harness.put_file("a.json", [harness.order("M-1", paid="648", TEA=1)])
    await wait_for_positions(shop.hub.database)
    await shop.staff.mutate(RUN, id=harness.id)

    async def look() -> bool:
        await harness.runner.run_due()
        return harness.folder.joinpath("out").exists() and "M-1" in harness.order_outcomes()

    await wait_until(look, within_s=30)
