"""The feed by pages and live: every event once, in order, without a gap; cursors that are too old are refused."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.support.client import Client, Refused
from tests.support.sample_events import SampleEvent, assign_positions
from tests.support.scratch_database import open_scratch_database
from tests.support.shop import ERRORS, Shop
from tests.support.waiting import wait_until
from uriba import invariants
from uriba.core import pages
from uriba.core.errors import CursorExpired
from uriba.db import Database
from uriba.outbox import emit, feed
from uriba.webhooks import deliveries

EVENTS = """query ($a: String, $f: Int, $t: [String!]) { events(after: $a, first: $f, types: $t) {
    edges { cursor node { id type subject version at data } } pageInfo { hasNextPage endCursor } } }"""
LIVE = "subscription ($a: String, $t: [String!]) { events(after: $a, types: $t) { cursor node { id type subject version } } }"
END = "{ feed { earliest end } }"
WORK = "subscription ($l: String) { workQueueChanged(location: $l) { id status order { number } } }"


async def pull(client: Client, after: str | None, **given: Any) -> tuple[list[dict[str, Any]], str]:
    """Return all events after a cursor, and the cursor at their end."""
    nodes: list[dict[str, Any]] = []
    while True:
        page = (await client.execute(EVENTS, a=after, f=7, **given))["events"]
        nodes += [edge["node"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        assert after is not None
        if not page["pageInfo"]["hasNextPage"]:
            return nodes, after


async def end_of(client: Client) -> str:
    end: str = (await client.execute(END))["feed"]["end"]
    return end


async def test_pages_have_every_event_once_and_in_order(shop: Shop) -> None:
    start = await end_of(shop.staff)
    for _ in range(10):
        await shop.receive(TEA_S1=1, POT_S2=1)
    await assign_positions(shop.hub.database)

    nodes, end = await pull(shop.staff, start)

    mine = {(await shop.stock_level(sku, place))["id"] for sku, place in (("TEA", "S1"), ("POT", "S2"))}
    for subject in mine:
        assert [n["version"] for n in nodes if n["subject"] == subject] == list(range(1, 11))
    assert len({n["id"] for n in nodes}) == len(nodes)
    assert await pull(shop.staff, end) == ([], end)


async def test_pages_of_one_type(shop: Shop) -> None:
    start = await end_of(shop.staff)
    await shop.receive(TEA_S1=1)
    cart = await shop.create_cart(shop.guest(), TEA=1)
    await assign_positions(shop.hub.database)

    nodes, _ = await pull(shop.staff, start, t=["cart.created"])

    assert cart["id"] in {n["subject"] for n in nodes}
    assert {n["type"] for n in nodes} == {"cart.created"}


async def test_refuses_invalid_cursors_and_types(shop: Shop) -> None:
    for given, code in (
        ({"a": "x"}, "INVALID"),
        ({"t": ["no.such"]}, "INVALID"),
        ({"t": []}, "INVALID"),
        ({"a": pages.cursor(10**15)}, "INVALID"),
        ({"f": 101}, "INVALID"),
    ):
        with pytest.raises(Refused) as refused:
            await shop.staff.execute(EVENTS, **given)
        assert refused.value.codes == [code]


async def test_the_live_feed_continues_after_the_cursor_of_a_lost_connection(shop: Shop) -> None:
    start = await end_of(shop.staff)
    await shop.receive(TEA_S1=1)
    level = (await shop.stock_level("TEA", "S1"))["id"]
    seen: list[int] = []
    cursor = start
    for _ in range(4):
        async with shop.staff.subscribe(LIVE, a=cursor, t=["stock.changed"]) as subscription:
            edge = await subscription.until(lambda e: e["node"]["subject"] == level)
            seen.append(edge["node"]["version"])
            cursor = edge["cursor"]
        await shop.receive(TEA_S1=1)
        await shop.receive(TEA_S1=1)

    assert seen == [1, 2, 3, 4]
    nodes, _ = await pull(shop.staff, start, t=["stock.changed"])
    assert [n["version"] for n in nodes if n["subject"] == level][:4] == seen


async def test_all_readers_of_the_live_feed_receive_the_same_events(shop: Shop) -> None:
    async with shop.staff.subscribe(LIVE) as one, shop.staff.subscribe(LIVE) as two:
        await shop.receive(TEA_S1=1)
        level = (await shop.stock_level("TEA", "S1"))["id"]
        received = [await f.until(lambda e: e["node"]["subject"] == level) for f in (one, two)]

    assert received[0] == received[1]


async def test_a_work_queue_subscription_has_the_present_work_and_then_each_change(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)

    async def order() -> dict[str, Any]:
        guest = shop.guest()
        chosen = await shop.set_fulfillment(guest, await shop.create_cart(guest, TEA=1), "PICKUP", location="S1")
        placed: dict[str, Any] = (await shop.check_out(guest, chosen["cart"], email="h@example.com"))["order"]
        return placed

    first = await order()
    till = await shop.terminal("S1")
    async with till.subscribe(WORK) as work:
        shown = await work.next()
        assert (shown["order"]["number"], shown["status"]) == (first["number"], "ALLOCATED")
        second = await order()
        new = await work.next()
        assert (new["order"]["number"], new["status"]) == (second["number"], "ALLOCATED")
        await till.mutate(
            f"mutation ($f: ID!) {{ fulfillmentUpdate(fulfillmentId: $f, status: PICKED) {{ {ERRORS} }} }}",
            f=shown["id"],
        )
        assert (await work.next()) == {**shown, "status": "PICKED"}


async def sse(shop: Shop, query: str, **variables: Any) -> Any:
    """Events of an answer over HTTP, as (event, data)."""
    async with (
        httpx.AsyncClient(timeout=30) as http,
        http.stream(
            "POST",
            shop.hub.url,
            json={"query": query, "variables": variables},
            headers={"accept": "text/event-stream", "authorization": f"Bearer {shop.keys['staff']}"},
        ) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        event = ""
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                event = line.removeprefix("event: ")
            elif line.startswith("data:"):
                yield event, json.loads(line.removeprefix("data:") or "null")


async def test_a_subscription_over_server_sent_events(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    query = "subscription ($s: [String!]) { stockChanged(skus: $s) { onHand } }"
    seen = []

    async with asyncio.timeout(30):
        async for event, data in sse(shop, query, s=[shop.sku("TEA")]):
            assert event == "next"
            seen.append(data["data"]["stockChanged"]["onHand"])
            if len(seen) == 3:
                break
            await shop.receive(TEA_S1=1)

    assert seen == [1, 2, 3]


async def test_a_closed_stream_is_no_longer_counted(shop: Shop) -> None:
    async def subscribers() -> float:
        async with httpx.AsyncClient() as http:
            shown = (await http.get(shop.hub.url.replace("/graphql", "/metrics"))).text
        (line,) = [line for line in shown.splitlines() if line.startswith("uriba_subscribers ")]
        return float(line.split()[1])

    async def no_subscriber() -> bool:
        return await subscribers() == 0

    await shop.receive(TEA_S1=1)
    await wait_until(no_subscriber)
    stream = sse(shop, "subscription ($s: [String!]) { stockChanged(skus: $s) { onHand } }", s=[shop.sku("TEA")])
    await anext(stream)
    assert await subscribers() == 1
    await stream.aclose()
    await wait_until(no_subscriber)


async def test_queries_and_refusals_over_server_sent_events(shop: Shop) -> None:
    assert [e async for e in sse(shop, "{ __typename }")] == [
        ("next", {"data": {"__typename": "Query"}}),
        ("complete", None),
    ]
    (first, last) = [e async for e in sse(shop, "subscription { nothing }")]
    assert first[1]["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert last == ("complete", None)


async def test_old_events_are_deleted_and_older_cursors_are_expired(shop: Shop) -> None:
    async with open_scratch_database(shop.hub.settings) as (_, database):
        await _events(database, 30)
        async with database.transaction() as session:
            await session.run("UPDATE outbox_event SET at = now() - interval '2 days' WHERE position <= 20")
            assert await feed.forget(session, older_than_s=86_400, needed_after=None) == 20
            assert await feed.forget(session, older_than_s=86_400, needed_after=None) == 0

        async with database.reading() as session:
            span = await feed.kept_range(session)
            assert (span.forgotten, span.position) == (20, 30)
            with pytest.raises(CursorExpired):
                await feed.page(session, after=19, types=None, first=10)
            with pytest.raises(CursorExpired):
                feed.position_of(pages.cursor(3), span)
            kept = await feed.page(session, after=20, types=None, first=100)
            assert [row["position"] for row in kept.rows] == list(range(21, 31))
            assert (await feed.page(session, after=None, types=None, first=3)).rows == list(kept.rows)[:3]
        assert [f.invariant.name for f in await invariants.check(database) if f.rows] == [
            "each subject's latest event has the subject's version"
        ], "events of no domain are no subject's"


async def test_events_that_an_endpoint_still_has_to_receive_are_kept(shop: Shop) -> None:
    async with open_scratch_database(shop.hub.settings) as (_, database):
        await _events(database, 30)
        async with database.transaction() as session:
            await session.run("UPDATE outbox_event SET at = now() - interval '2 days'")
            await session.run(
                "INSERT INTO endpoint (id, url, position, status, paused_at) "
                "VALUES (gen_random_uuid(), 'http://x', 12, 'PAUSED', now())"
            )
            needed = await deliveries.needed_after(session)
            assert await feed.forget(session, older_than_s=86_400, needed_after=needed) == 12


async def _events(database: Database, number: int) -> None:
    async with database.transaction() as session:
        for version in range(1, number + 1):
            emit(session, SampleEvent("Cart:1", version))
    await assign_positions(database)
