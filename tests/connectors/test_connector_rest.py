"""A marketplace's API is told and asked, however badly it answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from bazaar import Bazaar, Call, opened
from stall import RUN, Stall, open_stall

from shop import Shop
from uriba.core import clock


@pytest.fixture
async def bazaar() -> AsyncIterator[Bazaar]:
    async with opened() as found:
        yield found


@pytest.fixture
async def stall(shop: Shop, tmp_path: Path, bazaar: Bazaar) -> AsyncIterator[Stall]:
    yield await open_stall(shop, tmp_path, url=bazaar.url)


async def test_values_are_told_with_the_token_and_a_key_each(shop: Shop, stall: Stall, bazaar: Bazaar) -> None:
    await shop.receive(TEA_S1=4)

    await stall.run()
    row = await stall.row()

    assert bazaar.values["available", shop.sku("TEA")] == "4"
    assert bazaar.values["price", shop.sku("TEA")] == "648"
    assert {call.headers["authorization"] for call in bazaar.calls} == {"Bearer t0ken"}
    assert row["hasToken"] is True
    assert "t0ken" not in str(row)
    assert await stall.differences() == []


async def test_a_request_that_failed_is_sent_again_with_its_key(shop: Shop, stall: Stall, bazaar: Bazaar) -> None:
    await shop.receive(TEA_S1=4)
    failed: list[Call] = []

    async def fail(call: Call) -> web.StreamResponse | None:
        if call.path == "/availability" and len(failed) < 2:
            failed.append(call)
            return web.Response(status=503)
        return None

    bazaar.manner = fail
    report = await stall.run()

    keys = [call.key for call in bazaar.to("/availability")]
    assert report.problem is None
    assert len(keys) >= 3
    assert set(keys[:3]) == {keys[0]}
    assert keys[0] not in {call.key for call in bazaar.to("/prices")}
    assert bazaar.values["available", shop.sku("TEA")] == "4"


async def test_retry_after_is_kept_to(shop: Shop, stall: Stall, bazaar: Bazaar) -> None:
    await shop.receive(TEA_S1=4)

    async def busy(call: Call) -> web.StreamResponse | None:
        if len(bazaar.to("/availability")) == 1 and call.path == "/availability":
            return web.Response(status=429, headers={"retry-after": "1"})
        return None

    bazaar.manner = busy
    report = await stall.run()
    first, second = bazaar.to("/availability")[:2]

    assert second.at - first.at >= 0.9
    assert report.problem is None
    assert await stall.differences() == []


async def test_who_asks_for_a_long_pause_has_it(shop: Shop, stall: Stall, bazaar: Bazaar) -> None:
    """It is longer than a turn: the run ends, and the next one comes when the channel said."""
    await shop.receive(TEA_S1=4)

    async def busy(call: Call) -> web.StreamResponse | None:
        return web.Response(status=429, headers={"retry-after": "600"})

    bazaar.manner = busy
    began = clock.now()
    report = await stall.run()
    row, (latest, *_) = await stall.row(), await stall.reports()

    assert report.problem == row["problem"] == "HTTP 429"
    assert row["status"] == "RETRYING"
    assert datetime.fromisoformat(latest["nextRunAt"]) >= began + timedelta(seconds=600)
    assert len(bazaar.to("/availability")) == 1


async def test_a_slow_channel_ends_the_run_and_nothing_is_lost(shop: Shop, stall: Stall, bazaar: Bazaar) -> None:
    await shop.receive(TEA_S1=4)
    over = asyncio.Event()

    async def hang(call: Call) -> web.StreamResponse | None:
        if call.path == "/availability":
            bazaar.answer(call)
            await over.wait()
        return None

    bazaar.manner = hang
    report = await stall.run()
    doubts = await stall.differences()
    over.set()
    bazaar.manner = None
    await stall.run()

    assert report.problem is not None
    assert {one["inDoubt"] for one in doubts if one["kind"] == "AVAILABILITY"} == {True}
    assert bazaar.values["available", shop.sku("TEA")] == "4"
    assert await stall.differences() == []


async def test_single_rows_are_refused_and_others_taken(shop: Shop, stall: Stall, bazaar: Bazaar) -> None:
    await shop.receive(TEA_S1=4, POT_S1=2)
    bazaar.refuses = {shop.sku("TEA"): "UNKNOWN_SKU"}

    report = await stall.run()
    differences = await stall.differences()
    bazaar.refuses = {}
    await shop.staff.do(RUN, id=stall.id)
    await stall.run()

    assert (report.accepted, report.refused_count) == (2, 2)
    assert {one["sku"] for one in differences} == {shop.sku("TEA")}
    assert {one["refused"]["code"] for one in differences} == {"UNKNOWN_SKU"}
    assert bazaar.values["available", shop.sku("TEA")] == "4"
    assert await stall.differences() == []


async def test_a_batch_refused_as_a_whole_is_in_doubt(shop: Shop, stall: Stall, bazaar: Bazaar) -> None:
    await shop.receive(TEA_S1=4)

    async def refuse(call: Call) -> web.StreamResponse | None:
        return web.Response(status=422) if call.path == "/availability" else None

    bazaar.manner = refuse
    report = await stall.run()
    differences = await stall.differences()

    assert report.accepted == 2
    assert {one["refused"]["code"] for one in differences} == {"HTTP_422"}
    assert all(one["inDoubt"] for one in differences)


@pytest.mark.parametrize("status", [401, 404])
async def test_no_is_not_asked_again_in_the_run(shop: Shop, stall: Stall, bazaar: Bazaar, status: int) -> None:
    await shop.receive(TEA_S1=4)

    async def forbid(call: Call) -> web.StreamResponse | None:
        return web.Response(status=status)

    bazaar.manner = forbid
    report = await stall.run()

    assert report.problem == f"HTTP {status}"
    assert len(bazaar.to("/availability")) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"refused": 1}', b"[" * 90_000, b'{"refused": [1]}'])
async def test_nonsense_is_a_failure_and_not_the_end(shop: Shop, stall: Stall, bazaar: Bazaar, body: bytes) -> None:
    await shop.receive(TEA_S1=4)

    async def babble(call: Call) -> web.StreamResponse | None:
        return web.Response(body=body) if call.method == "POST" else None

    bazaar.manner = babble
    report = await stall.run()
    bazaar.manner = None
    await stall.run()

    assert report.problem is not None
    assert report.problem.startswith("ANSWER")
    assert bazaar.values["available", shop.sku("TEA")] == "4"


async def test_orders_are_fetched_by_page_once_each_and_answered(shop: Shop, stall: Stall, bazaar: Bazaar) -> None:
    await shop.receive(TEA_W1=4)
    bazaar.orders = [stall.order(f"M-{n}", paid="648", TEA=1) for n in range(5)]

    await stall.run()
    first = dict(bazaar.verdicts)
    bazaar.orders.append(bazaar.orders[0])
    await stall.run()

    found = {one["number"] for one in await stall.orders()}
    assert {number: one["status"] for number, one in first.items()} == {f"M-{n}": "PLACED" for n in range(4)}
    assert {one["order"] for one in first.values()} == found
    assert bazaar.verdicts["M-0"] == first["M-0"]
    assert len(found) == 4
    assert bazaar.to("/orders")[-1].query["after"] == "6"


async def test_an_answer_that_got_lost_is_given_again(shop: Shop, stall: Stall, bazaar: Bazaar) -> None:
    await shop.receive(TEA_W1=4)
    bazaar.orders = [stall.order("M-1", paid="648", TEA=1)]

    async def lose(call: Call) -> web.StreamResponse | None:
        return web.Response(status=500) if call.path == "/orders/acknowledge" else None

    bazaar.manner = lose
    report = await stall.run()
    bazaar.manner = None
    await stall.run()

    assert report.problem == "HTTP 500"
    assert bazaar.verdicts["M-1"]["status"] == "PLACED"
    assert len(await stall.orders()) == 1
