"""What a channel is told is the book: only what differs, again where nobody knows, and by one worker at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from stall import RUN, UPDATE, Killed, Stall, Wrapped, open_stall, sells_from

from patience import eventually
from shop import Shop
from uriba.connectors import leases
from uriba.connectors.file_connector import FileConnector
from uriba.connectors.leases import Held, Lost
from uriba.connectors.port import Batch, Pushed, Refusal
from uriba.core import clock, ids
from uriba.outbound.client import Client


@pytest.fixture
async def stall(shop: Shop, tmp_path: Path) -> AsyncIterator[Stall]:
    yield await open_stall(shop, tmp_path)


async def test_the_first_run_tells_all_that_is_sold_and_the_next_only_what_changed(shop: Shop, stall: Stall) -> None:
    await shop.receive(TEA_S1=4, TEA_W1=3, TEA_S2=9, POT_W1=1, CUP_S1=5)

    first = await stall.run()
    known = await stall.told("TEA", "POT", "CUP")
    await shop.receive(TEA_S1=1)
    second = await stall.run()

    assert known["TEA"] == {"available": "7", "price": "648"}
    assert known["POT"] == {"available": "1", "price": "3300"}
    assert known["CUP"] == {"available": None, "price": None}
    assert first.accepted == first.sent == 4
    assert (second.sent, second.accepted, second.attempts) == (1, 1, 1)
    assert (await stall.told("TEA"))["TEA"]["available"] == "8"
    assert await stall.differences() == []


async def test_a_run_with_nothing_to_tell_sends_nothing_and_leaves_no_report(shop: Shop, stall: Stall) -> None:
    await shop.receive(TEA_S1=4)
    await stall.run()
    before = len(await stall.reports())
    # At a location that this channel does not sell from.
    await shop.receive(TEA_S2=4)

    report = await stall.run()

    assert report.idle
    assert len(await stall.reports()) == before


async def test_what_is_no_longer_sold_is_told_as_nothing_and_comes_back(shop: Shop, stall: Stall) -> None:
    await shop.receive(TEA_S1=4)
    await stall.run()

    await stall.set_sold("TEA", sold=False)
    await stall.run()
    gone = await stall.told("TEA")
    await stall.set_sold("TEA", sold=True)
    await stall.run()

    assert gone["TEA"] == {"available": "0", "price": "648"}
    assert (await stall.told("TEA"))["TEA"] == {"available": "4", "price": "648"}


async def test_a_price_is_told_when_its_time_comes(stall: Stall) -> None:
    await stall.run()
    begins = clock.now() + timedelta(seconds=1.5)
    await stall.set_price("TEA", "700", validFrom=begins.isoformat())
    await stall.run()
    early = await stall.told("TEA")

    async def look() -> bool:
        await stall.run()
        return (await stall.told("TEA"))["TEA"]["price"] == "700"

    assert early["TEA"]["price"] == "648" or clock.now() > begins
    await eventually(look, within_s=30)


async def test_a_channel_that_sells_from_other_places_is_told_so(shop: Shop, stall: Stall) -> None:
    await shop.receive(TEA_S1=4, TEA_W1=3)
    await stall.run()

    await sells_from(shop, "W1")
    await stall.run()

    assert (await stall.told("TEA"))["TEA"]["available"] == "3"


async def test_where_the_feed_has_forgotten_what_came_next_all_is_compared(shop: Shop, stall: Stall) -> None:
    await stall.run()
    await shop.receive(TEA_S1=4)
    async with shop.hub.database.transaction() as session:
        await session.run("UPDATE connector SET position = -1 WHERE code = $1", stall.code)

    await stall.run()

    assert (await stall.told("TEA"))["TEA"]["available"] == "4"


async def test_who_dies_between_the_push_and_its_record_has_it_told_again(shop: Shop, stall: Stall) -> None:
    """Also where the book is back at what the channel was told before: nobody knows what it has."""
    await shop.receive(TEA_S1=5)
    await stall.run()
    await shop.receive(TEA_S1=-2)

    async def die(_: Batch) -> None:
        raise Killed

    with pytest.raises(Killed):
        await stall.run(Wrapped(FileConnector(stall.folder), after=die))
    left_behind = await stall.told("TEA")
    await shop.receive(TEA_S1=2)
    doubts = await stall.differences()
    await stall.run()

    assert left_behind["TEA"]["available"] == "3"
    assert [(one["told"], one["book"], one["inDoubt"]) for one in doubts] == [("5", "5", True)]
    assert (await stall.told("TEA"))["TEA"]["available"] == "5"
    assert await stall.differences() == []
    assert "INTERRUPTED" in [report["problem"] for report in await stall.reports()]


async def test_a_refused_row_is_reported_and_told_again_and_others_go_on(shop: Shop, stall: Stall) -> None:
    await shop.receive(TEA_S1=5, POT_S1=2)
    tea = shop.sku("TEA")

    async def refuse(batch: Batch) -> Pushed | None:
        if tea not in {row.sku for row in batch.rows}:
            return None
        others = [row for row in batch.rows if row.sku != tea]
        await FileConnector(stall.folder).push(Batch(batch.kind, batch.number, batch.currency, others))
        return Pushed({tea: Refusal("UNKNOWN_SKU", "No such article.")})

    report = await stall.run(Wrapped(FileConnector(stall.folder), before=refuse))
    differences, row = await stall.differences(), await stall.row()
    await stall.shop.staff.do(RUN, id=stall.id)
    await stall.run()

    assert (report.sent, report.accepted, report.refused_count) == (4, 2, 2)
    assert {(one["sku"], one["told"], one["inDoubt"]) for one in differences} == {(tea, None, False)}
    assert {one["refused"]["code"] for one in differences} == {"UNKNOWN_SKU"}
    assert (row["open"], row["refused"], row["status"]) == (2, 2, "ACTIVE")
    assert await stall.differences() == []
    assert (await stall.told("TEA", "POT"))["TEA"] == {"available": "5", "price": "648"}


async def test_what_was_in_doubt_is_so_still_where_the_next_try_is_refused(shop: Shop, stall: Stall) -> None:
    await shop.receive(TEA_S1=5)
    await stall.run()
    await shop.receive(TEA_S1=-2)

    async def die(_: Batch) -> None:
        raise Killed

    async def refuse(batch: Batch) -> Pushed:
        return Pushed({row.sku: Refusal("BUSY", "Not now.") for row in batch.rows})

    with pytest.raises(Killed):
        await stall.run(Wrapped(FileConnector(stall.folder), after=die))
    await shop.receive(TEA_S1=1)
    await stall.run(Wrapped(FileConnector(stall.folder), before=refuse))
    # Back at what was recorded last; the channel has 3.
    await shop.receive(TEA_S1=1)
    await stall.shop.staff.do(RUN, id=stall.id)
    await stall.run()

    assert (await stall.told("TEA"))["TEA"]["available"] == "5"
    assert await stall.differences() == []


async def test_two_workers_do_not_run_one_connector(stall: Stall) -> None:
    database, key = stall.connectors.database, ids.uuid(stall.id, "Connector")

    taken = await asyncio.gather(*(leases.claim(database, term_s=30, only=key) for _ in range(5)))

    assert len([one for one in taken if one]) == 1


async def test_who_lost_the_lease_writes_nothing_more(stall: Stall) -> None:
    database, key = stall.connectors.database, ids.uuid(stall.id, "Connector")
    found = await leases.claim(database, term_s=0.001, only=key)
    assert found
    first = found[0]
    second = await eventually(lambda: leases.claim(database, term_s=30, only=key))

    with pytest.raises(Lost):
        async with first.writing():
            pass
    assert isinstance(second[0], Held)
    async with second[0].writing() as session:
        assert await session.fetchval("SELECT fence FROM connector WHERE id = $1", key) == second[0].fence


async def test_who_is_paused_in_a_run_ends_it_and_what_was_sent_is_told_again(shop: Shop, stall: Stall) -> None:
    await shop.receive(TEA_S1=5)
    key = ids.uuid(stall.id, "Connector")

    async def pause(_: Batch) -> None:
        payload = await shop.staff.do(UPDATE, i={"id": stall.id, "paused": True})
        assert payload["connector"]["status"] == "PAUSED"

    held = await leases.claim(stall.connectors.database, term_s=30, only=key)
    assert held
    async with Client(stall.connectors.settings) as client:
        port = Wrapped(FileConnector(stall.folder), after=pause)
        ended = await stall.connectors.run(*held, client, port=port)
    in_doubt = [one["inDoubt"] for one in await stall.differences()]
    closed = await leases.claim(stall.connectors.database, term_s=30, only=key)
    await shop.staff.do(UPDATE, i={"id": stall.id, "paused": False})
    await stall.run()

    assert ended is None
    assert closed is None
    assert any(in_doubt)
    assert await stall.differences() == []


async def test_no_lock_is_held_while_the_channel_is_written_to(shop: Shop, stall: Stall) -> None:
    await shop.receive(TEA_S1=5)

    async def change(_: Batch) -> None:
        async with shop.hub.database.transaction() as session:
            await session.run("SET LOCAL lock_timeout = '1s'")
            await session.run("UPDATE connector SET every_s = every_s WHERE code = $1", stall.code)
            await session.run(
                "UPDATE connector_value SET told_at = told_at WHERE connector_id = $1", ids.uuid(stall.id, "Connector")
            )

    report = await stall.run(Wrapped(FileConnector(stall.folder), before=change))

    assert report.problem is None
    assert report.accepted == 4
