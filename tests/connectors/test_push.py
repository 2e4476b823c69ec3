"""Pushing values to a channel: only differences, repeated where the outcome is unknown, by one worker at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.connector_harness import (
    RUN,
    UPDATE,
    ConnectorHarness,
    Killed,
    WrappedConnector,
    open_connector,
    set_market_locations,
)
from tests.support.shop import Shop
from tests.support.waiting import wait_until
from uriba.connectors import leases
from uriba.connectors.file_connector import FileConnector
from uriba.connectors.leases import ConnectorLease, LeaseLost
from uriba.connectors.port import Batch, PushResult, Refusal
from uriba.core import clock, ids
from uriba.db.statements import statement
from uriba.outbound.client import OutboundClient

_FENCE = statement("SELECT fence FROM connector WHERE id = :connector_id")
_LOCK_CONNECTOR = statement("UPDATE connector SET every_s = every_s WHERE code = :code")
_LOCK_VALUES = statement("UPDATE connector_value SET told_at = told_at WHERE connector_id = :connector_id")


@pytest.fixture
async def harness(shop: Shop, tmp_path: Path) -> AsyncIterator[ConnectorHarness]:
    yield await open_connector(shop, tmp_path)


async def test_the_first_run_sends_everything_and_the_next_only_changes(shop: Shop, harness: ConnectorHarness) -> None:
    await shop.receive(TEA_S1=4, TEA_W1=3, TEA_S2=9, POT_W1=1, CUP_S1=5)

    first = await harness.run()
    known = await harness.sent_values("TEA", "POT", "CUP")
    await shop.receive(TEA_S1=1)
    second = await harness.run()

    assert known["TEA"] == {"available": "7", "price": "648"}
    assert known["POT"] == {"available": "1", "price": "3300"}
    assert known["CUP"] == {"available": None, "price": None}
    assert first.accepted == first.sent == 4
    assert (second.sent, second.accepted, second.attempts) == (1, 1, 1)
    assert (await harness.sent_values("TEA"))["TEA"]["available"] == "8"
    assert await harness.differences() == []


async def test_a_run_without_changes_sends_nothing_and_keeps_no_report(shop: Shop, harness: ConnectorHarness) -> None:
    await shop.receive(TEA_S1=4)
    await harness.run()
    before = len(await harness.run_reports())
    # At a location that this channel does not sell from.
    await shop.receive(TEA_S2=4)

    report = await harness.run()

    assert report.is_idle
    assert len(await harness.run_reports()) == before


async def test_sends_zero_units_while_a_variant_is_discontinued(shop: Shop, harness: ConnectorHarness) -> None:
    await shop.receive(TEA_S1=4)
    await harness.run()

    await harness.set_sold("TEA", sold=False)
    await harness.run()
    discontinued = await harness.sent_values("TEA")
    await harness.set_sold("TEA", sold=True)
    await harness.run()

    assert discontinued["TEA"] == {"available": "0", "price": "648"}
    assert (await harness.sent_values("TEA"))["TEA"] == {"available": "4", "price": "648"}


async def test_sends_a_price_when_it_becomes_valid(harness: ConnectorHarness) -> None:
    await harness.run()
    valid_from = clock.now() + timedelta(seconds=1.5)
    await harness.set_price("TEA", "700", validFrom=valid_from.isoformat())
    await harness.run()
    early = await harness.sent_values("TEA")

    async def look() -> bool:
        await harness.run()
        return (await harness.sent_values("TEA"))["TEA"]["price"] == "700"

    assert early["TEA"]["price"] == "648" or clock.now() > valid_from
    await wait_until(look, within_s=30)


async def test_sends_availability_after_the_channels_locations_changed(shop: Shop, harness: ConnectorHarness) -> None:
    await shop.receive(TEA_S1=4, TEA_W1=3)
    await harness.run()

    await set_market_locations(shop, "W1")
    await harness.run()

    assert (await harness.sent_values("TEA"))["TEA"]["available"] == "3"


async def test_compares_everything_when_the_feed_no_longer_has_the_next_events(
    shop: Shop, harness: ConnectorHarness
) -> None:
    await harness.run()
    await shop.receive(TEA_S1=4)
    async with shop.hub.database.transaction() as session:
        await session.run(statement("UPDATE connector SET position = -1 WHERE code = :code"), code=harness.code)

    await harness.run()

    assert (await harness.sent_values("TEA"))["TEA"]["available"] == "4"


async def test_a_crash_between_push_and_record_sends_the_value_again(shop: Shop, harness: ConnectorHarness) -> None:
    """Even if the current value is the last recorded one again: the channel may have the one that was pushed."""
    await shop.receive(TEA_S1=5)
    await harness.run()
    await shop.receive(TEA_S1=-2)

    async def die(_: Batch) -> None:
        raise Killed

    with pytest.raises(Killed):
        await harness.run(WrappedConnector(FileConnector(harness.folder), after=die))
    pushed = await harness.sent_values("TEA")
    await shop.receive(TEA_S1=2)
    in_doubt = await harness.differences()
    await harness.run()

    assert pushed["TEA"]["available"] == "3"
    assert [(one["told"], one["book"], one["inDoubt"]) for one in in_doubt] == [("5", "5", True)]
    assert (await harness.sent_values("TEA"))["TEA"]["available"] == "5"
    assert await harness.differences() == []
    assert "INTERRUPTED" in [report["problem"] for report in await harness.run_reports()]


async def test_reports_and_resends_a_refused_row_and_delays_no_other(shop: Shop, harness: ConnectorHarness) -> None:
    await shop.receive(TEA_S1=5, POT_S1=2)
    tea = shop.sku("TEA")

    async def refuse(batch: Batch) -> PushResult | None:
        if tea not in {row.sku for row in batch.rows}:
            return None
        others = [row for row in batch.rows if row.sku != tea]
        await FileConnector(harness.folder).push(Batch(batch.kind, batch.number, batch.currency, others))
        return PushResult({tea: Refusal("UNKNOWN_SKU", "No such article.")})

    report = await harness.run(WrappedConnector(FileConnector(harness.folder), before=refuse))
    differences, row = await harness.differences(), await harness.connector()
    await harness.shop.staff.mutate(RUN, id=harness.id)
    await harness.run()

    assert (report.sent, report.accepted, report.refused_count) == (4, 2, 2)
    assert {(one["sku"], one["told"], one["inDoubt"]) for one in differences} == {(tea, None, False)}
    assert {one["refused"]["code"] for one in differences} == {"UNKNOWN_SKU"}
    assert (row["open"], row["refused"], row["status"]) == (2, 2, "ACTIVE")
    assert await harness.differences() == []
    assert (await harness.sent_values("TEA", "POT"))["TEA"] == {"available": "5", "price": "648"}


async def test_a_value_in_doubt_stays_in_doubt_when_the_retry_is_refused(shop: Shop, harness: ConnectorHarness) -> None:
    await shop.receive(TEA_S1=5)
    await harness.run()
    await shop.receive(TEA_S1=-2)

    async def die(_: Batch) -> None:
        raise Killed

    async def refuse(batch: Batch) -> PushResult:
        return PushResult({row.sku: Refusal("BUSY", "Not now.") for row in batch.rows})

    with pytest.raises(Killed):
        await harness.run(WrappedConnector(FileConnector(harness.folder), after=die))
    await shop.receive(TEA_S1=1)
    await harness.run(WrappedConnector(FileConnector(harness.folder), before=refuse))
    # The current value is the last recorded one again; the channel has 3.
    await shop.receive(TEA_S1=1)
    await harness.shop.staff.mutate(RUN, id=harness.id)
    await harness.run()

    assert (await harness.sent_values("TEA"))["TEA"]["available"] == "5"
    assert await harness.differences() == []


async def test_only_one_worker_claims_a_connector(harness: ConnectorHarness) -> None:
    database, key = harness.runner.database, ids.uuid(harness.id, "Connector")

    claimed = await asyncio.gather(*(leases.claim_and_commit(database, term_s=30, only=key) for _ in range(5)))

    assert len([one for one in claimed if one]) == 1


async def test_a_worker_that_lost_its_lease_cannot_write(harness: ConnectorHarness) -> None:
    database, key = harness.runner.database, ids.uuid(harness.id, "Connector")
    found = await leases.claim_and_commit(database, term_s=0.001, only=key)
    assert found
    first = found[0]
    second = await wait_until(lambda: leases.claim_and_commit(database, term_s=30, only=key))

    with pytest.raises(LeaseLost):
        async with first.writing():
            pass
    assert isinstance(second[0], ConnectorLease)
    async with second[0].writing() as session:
        assert await session.fetchval(_FENCE, connector_id=key) == second[0].fence


async def test_a_pause_ends_the_run_and_sent_values_are_sent_again(shop: Shop, harness: ConnectorHarness) -> None:
    await shop.receive(TEA_S1=5)
    key = ids.uuid(harness.id, "Connector")

    async def pause(_: Batch) -> None:
        payload = await shop.staff.mutate(UPDATE, i={"id": harness.id, "paused": True})
        assert payload["connector"]["status"] == "PAUSED"

    claimed = await leases.claim_and_commit(harness.runner.database, term_s=30, only=key)
    assert claimed
    async with OutboundClient(harness.runner.settings) as client:
        port = WrappedConnector(FileConnector(harness.folder), after=pause)
        ended = await harness.runner.run(*claimed, client, port=port)
    in_doubt = [one["inDoubt"] for one in await harness.differences()]
    closed = await leases.claim_and_commit(harness.runner.database, term_s=30, only=key)
    await shop.staff.mutate(UPDATE, i={"id": harness.id, "paused": False})
    await harness.run()

    assert ended is None
    assert closed is None
    assert any(in_doubt)
    assert await harness.differences() == []


async def test_holds_no_lock_during_a_push(shop: Shop, harness: ConnectorHarness) -> None:
    await shop.receive(TEA_S1=5)

    async def change(_: Batch) -> None:
        async with shop.hub.database.transaction() as session:
            await session.run(statement("SET LOCAL lock_timeout = '1s'"))
            await session.run(_LOCK_CONNECTOR, code=harness.code)
            await session.run(_LOCK_VALUES, connector_id=ids.uuid(harness.id, "Connector"))

    report = await harness.run(WrappedConnector(FileConnector(harness.folder), before=change))

    assert report.problem is None
    assert report.accepted == 4
