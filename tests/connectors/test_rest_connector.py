"""The REST connector against a marketplace's API that fails in many ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.connector_harness import RUN, ConnectorHarness, open_connector
from tests.support.marketplace import Call, Marketplace, run_marketplace
from tests.support.shop import Shop
from uriba.core import clock


@pytest.fixture
async def marketplace() -> AsyncIterator[Marketplace]:
    async with run_marketplace() as found:
        yield found


@pytest.fixture
async def harness(shop: Shop, tmp_path: Path, marketplace: Marketplace) -> AsyncIterator[ConnectorHarness]:
    yield await open_connector(shop, tmp_path, url=marketplace.url)


async def test_sends_values_with_the_token_and_never_shows_it(
    shop: Shop, harness: ConnectorHarness, marketplace: Marketplace
) -> None:
    await shop.receive(TEA_S1=4)

    await harness.run()
    row = await harness.connector()

    assert marketplace.values["available", shop.sku("TEA")] == "4"
    assert marketplace.values["price", shop.sku("TEA")] == "648"
    assert {call.headers["authorization"] for call in marketplace.calls} == {"Bearer t0ken"}
    assert row["hasToken"] is True
    assert "t0ken" not in str(row)
    assert await harness.differences() == []


async def test_retries_a_failed_request_with_the_same_key(
    shop: Shop, harness: ConnectorHarness, marketplace: Marketplace
) -> None:
    await shop.receive(TEA_S1=4)
    failed: list[Call] = []

    async def fail(call: Call) -> web.StreamResponse | None:
        if call.path == "/availability" and len(failed) < 2:
            failed.append(call)
            return web.Response(status=503)
        return None

    marketplace.respond = fail
    report = await harness.run()

    keys = [call.key for call in marketplace.calls_to("/availability")]
    assert report.problem is None
    assert len(keys) >= 3
    assert set(keys[:3]) == {keys[0]}
    assert keys[0] not in {call.key for call in marketplace.calls_to("/prices")}
    assert marketplace.values["available", shop.sku("TEA")] == "4"


async def test_waits_as_long_as_retry_after_says(
    shop: Shop, harness: ConnectorHarness, marketplace: Marketplace
) -> None:
    await shop.receive(TEA_S1=4)

    async def busy(call: Call) -> web.StreamResponse | None:
        if len(marketplace.calls_to("/availability")) == 1 and call.path == "/availability":
            return web.Response(status=429, headers={"retry-after": "1"})
        return None

    marketplace.respond = busy
    report = await harness.run()
    first, second = marketplace.calls_to("/availability")[:2]

    assert second.at - first.at >= 0.9
    assert report.problem is None
    assert await harness.differences() == []


async def test_ends_the_run_when_retry_after_is_longer_than_a_run(
    shop: Shop, harness: ConnectorHarness, marketplace: Marketplace
) -> None:
    """The pause is longer than a run: the run ends, and the next one begins when the channel asked for it."""
    await shop.receive(TEA_S1=4)

    async def busy(call: Call) -> web.StreamResponse | None:
        return web.Response(status=429, headers={"retry-after": "600"})

    marketplace.respond = busy
    began = clock.now()
    report = await harness.run()
    row, (latest, *_) = await harness.connector(), await harness.run_reports()

    assert report.problem == row["problem"] == "HTTP 429"
    assert row["status"] == "RETRYING"
    assert datetime.fromisoformat(latest["nextRunAt"]) >= began + timedelta(seconds=600)
    assert len(marketplace.calls_to("/availability")) == 1


async def test_a_timeout_ends_the_run_and_loses_no_value(
    shop: Shop, harness: ConnectorHarness, marketplace: Marketplace
) -> None:
    await shop.receive(TEA_S1=4)
    over = asyncio.Event()

    async def hang(call: Call) -> web.StreamResponse | None:
        if call.path == "/availability":
            marketplace.default_response(call)
            await over.wait()
        return None

    marketplace.respond = hang
    report = await harness.run(timeout_s=0.5)
    doubts = await harness.differences()
    over.set()
    marketplace.respond = None
    await harness.run()

    assert report.problem is not None
    assert {one["inDoubt"] for one in doubts if one["kind"] == "AVAILABILITY"} == {True}
    assert marketplace.values["available", shop.sku("TEA")] == "4"
    assert await harness.differences() == []


async def test_reports_refused_rows_and_records_the_others(
    shop: Shop, harness: ConnectorHarness, marketplace: Marketplace
) -> None:
    await shop.receive(TEA_S1=4, POT_S1=2)
    marketplace.refused_skus = {shop.sku("TEA"): "UNKNOWN_SKU"}

    report = await harness.run()
    differences = await harness.differences()
    marketplace.refused_skus = {}
    await shop.staff.mutate(RUN, id=harness.id)
    await harness.run()

    assert (report.accepted, report.refused_count) == (2, 2)
    assert {one["sku"] for one in differences} == {shop.sku("TEA")}
    assert {one["refused"]["code"] for one in differences} == {"UNKNOWN_SKU"}
    assert marketplace.values["available", shop.sku("TEA")] == "4"
    assert await harness.differences() == []


async def test_a_batch_refused_as_a_whole_is_in_doubt(
    shop: Shop, harness: ConnectorHarness, marketplace: Marketplace
) -> None:
    await shop.receive(TEA_S1=4)

    async def refuse(call: Call) -> web.StreamResponse | None:
        return web.Response(status=422) if call.path == "/availability" else None

    marketplace.respond = refuse
    report = await harness.run()
    differences = await harness.differences()

    assert report.accepted == 2
    assert {one["refused"]["code"] for one in differences} == {"HTTP_422"}
    assert all(one["inDoubt"] for one in differences)


@pytest.mark.parametrize("status", [401, 404])
async def test_does_not_retry_a_final_refusal_in_the_same_run(
    shop: Shop, harness: ConnectorHarness, marketplace: Marketplace, status: int
) -> None:
    await shop.receive(TEA_S1=4)

    async def forbid(call: Call) -> web.StreamResponse | None:
        return web.Response(status=status)

    marketplace.respond = forbid
    report = await harness.run()

    assert report.problem == f"HTTP {status}"
    assert len(marketplace.calls_to("/availability")) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"refused": 1}', b"[" * 90_000, b'{"refused": [1]}'])
async def test_a_malformed_response_fails_the_run_and_the_next_one_recovers(
    shop: Shop, harness: ConnectorHarness, marketplace: Marketplace, body: bytes
) -> None:
    await shop.receive(TEA_S1=4)

    async def malformed(call: Call) -> web.StreamResponse | None:
        return web.Response(body=body) if call.method == "POST" else None

    marketplace.respond = malformed
    report = await harness.run()
    marketplace.respond = None
    await harness.run()

    assert report.problem is not None
    assert report.problem.startswith("ANSWER")
    assert marketplace.values["available", shop.sku("TEA")] == "4"


async def test_fetches_orders_by_page_and_acknowledges_each_once(
    shop: Shop, harness: ConnectorHarness, marketplace: Marketplace
) -> None:
    await shop.receive(TEA_W1=4)
    marketplace.orders = [harness.order(f"M-{n}", paid="648", TEA=1) for n in range(5)]

    await harness.run()
    first = dict(marketplace.acknowledged)
    marketplace.orders.append(marketplace.orders[0])
    await harness.run()

    found = {one["number"] for one in await harness.orders()}
    assert {number: one["status"] for number, one in first.items()} == {f"M-{n}": "PLACED" for n in range(4)}
    assert {one["order"] for one in first.values()} == found
    assert marketplace.acknowledged["M-0"] == first["M-0"]
    assert len(found) == 4
    assert marketplace.calls_to("/orders")[-1].query["after"] == "6"


async def test_repeats_an_acknowledgement_that_failed(
    shop: Shop, harness: ConnectorHarness, marketplace: Marketplace
) -> None:
    await shop.receive(TEA_W1=4)
    marketplace.orders = [harness.order("M-1", paid="648", TEA=1)]

    async def fail(call: Call) -> web.StreamResponse | None:
        return web.Response(status=500) if call.path == "/orders/acknowledge" else None

    marketplace.respond = fail
    report = await harness.run()
    marketplace.respond = None
    await harness.run()

    assert report.problem == "HTTP 500"
    assert marketplace.acknowledged["M-1"]["status"] == "PLACED"
    assert len(await harness.orders()) == 1
