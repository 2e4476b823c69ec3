"""Webhooks: signed, in order per subject, tried again, paused in the end, replayed; what a receiver got decides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from ears import Ears, Heard, listening

from client import Client
from patience import eventually, numbered
from shop import ERRORS, Shop

ENDPOINT = "endpoint { id url types status pausedReason lagSeconds channel { code } }"
CREATE = f"mutation ($i: EndpointInput!) {{ endpointCreate(input: $i) {{ {ENDPOINT} secret {ERRORS} }} }}"
LOG = """query ($id: ID!) { node(id: $id) { ... on Endpoint { status pausedReason failingSince lagSeconds deliveries(first: 100) {
    edges { node { id attempts status responseCode problem nextAttemptAt firstVersion event { id type subject version data }
        log { responseCode problem tookMs } } } } } } }"""


async def change(client: Client, field: str, **given: Any) -> dict[str, Any]:
    """One of the mutations that take an endpoint's id."""
    after = ", after: $after" if "after" in given else ""
    kinds = "$id: ID!" + (", $after: String!" if after else "")
    return await client.do(f"mutation ({kinds}) {{ {field}(id: $id{after}) {{ {ENDPOINT} {ERRORS} }} }}", **given)


@asynccontextmanager
async def endpoint(client: Client, url: str, **given: Any) -> AsyncIterator[dict[str, Any]]:
    """An endpoint for a while: its fields and its secret."""
    payload = await client.do(CREATE, i={"url": url, **given})
    assert not payload["errors"], payload
    try:
        yield {**payload["endpoint"], "secret": payload["secret"]}
    finally:
        await change(client, "endpointDelete", id=payload["endpoint"]["id"])


async def written_down(shop: Shop, id: str) -> dict[str, Any] | None:
    """An endpoint and its deliveries once all of them are written down as delivered: that is after they are heard."""
    found: dict[str, Any] = (await shop.staff.run(LOG, id=id))["node"]
    statuses = {edge["node"]["status"] for edge in found["deliveries"]["edges"]}
    return found if statuses == {"DELIVERED"} else None


@pytest.fixture
async def ears() -> AsyncIterator[Ears]:
    async with listening() as found:
        yield found


async def test_tells_what_happens_signed_and_in_order(shop: Shop, ears: Ears) -> None:
    async with endpoint(shop.staff, ears.url, types=["stock.changed"]) as made:
        for _ in range(5):
            await shop.receive(TEA_S1=1)
        level = (await shop.level("TEA", "S1"))["id"]
        await ears.until(lambda: len(ears.of(level)) == 5)

        assert ears.of(level) == [1, 2, 3, 4, 5]
        assert all(one.signed_by(made["secret"]) for one in ears.heard)
        assert all(one.id == one.event["id"] for one in ears.heard)
        feed = await shop.staff.run(
            '{ events(first: 100, types: ["stock.changed"]) { edges { node { id subject version } } } }'
        )
        ids = {(e["node"]["subject"], e["node"]["version"]): e["node"]["id"] for e in feed["events"]["edges"]}
        assert all(ids.get(one.key, one.id) == one.id for one in ears.heard)
        log = await eventually(lambda: written_down(shop, made["id"]))
        assert log["status"] == "ACTIVE"


async def test_tries_again_with_the_same_id_and_delays_no_other_subject(shop: Shop, ears: Ears) -> None:
    await shop.receive(TEA_S1=1)
    await numbered(shop.hub.database)
    bad = (await shop.level("TEA", "S1"))["id"]
    tries: list[Heard] = []

    async def manner(heard: Heard) -> int:
        if heard.event["subject"] != bad or len(tries) >= 3:
            return 204
        tries.append(heard)
        return 500

    ears.manner = manner
    async with endpoint(shop.staff, ears.url, types=["stock.changed"]) as made:
        await shop.receive(TEA_S1=1)
        await shop.receive(TEA_S1=1)
        await shop.receive(POT_S1=1)
        await ears.until(lambda: ears.of(bad) == [2, 3])

        assert len({one.id for one in tries}) == 1
        order = [one.event["subject"] for one in ears.taken]
        assert order.index(bad) > min(n for n, subject in enumerate(order) if subject != bad)
        log = await eventually(lambda: written_down(shop, made["id"]))
        (tried,) = [e["node"] for e in log["deliveries"]["edges"] if e["node"]["event"]["id"] == tries[0].id]
        assert (tried["attempts"], tried["responseCode"]) == (4, 204)
        assert [one["responseCode"] for one in tried["log"]] == [500, 500, 500]


async def test_an_endpoint_that_fails_to_the_end_is_paused_and_loses_nothing(shop: Shop, ears: Ears) -> None:
    async def manner(heard: Heard) -> int:
        return 500

    ears.manner = manner
    async with endpoint(shop.staff, ears.url, types=["stock.changed"]) as made:
        await shop.receive(TEA_S1=1)
        await shop.receive(TEA_S1=1)

        async def paused() -> Any:
            found = (await shop.staff.run(LOG, id=made["id"]))["node"]
            return found if found["status"] == "PAUSED" else None

        found = await eventually(paused, within_s=30)
        assert found["pausedReason"] == "EXHAUSTED"
        ears.manner = None
        level = (await shop.level("TEA", "S1"))["id"]
        await change(shop.staff, "endpointResume", id=made["id"])
        await ears.until(lambda: ears.of(level) == [1, 2])


async def test_410_pauses_at_once(shop: Shop, ears: Ears) -> None:
    async def manner(heard: Heard) -> int:
        return 410

    ears.manner = manner
    async with endpoint(shop.staff, ears.url, types=["endpoint.test"]) as made:
        await change(shop.staff, "endpointTest", id=made["id"])

        async def paused() -> Any:
            found = (await shop.staff.run(LOG, id=made["id"]))["node"]
            return found["pausedReason"] == "GONE"

        await eventually(paused, within_s=30)
        assert len(ears.heard) == 1


async def test_a_redirect_is_a_failure_and_is_not_followed(shop: Shop, ears: Ears) -> None:
    async with listening() as inward:

        async def manner(heard: Heard) -> web.Response | int:
            if len(ears.heard) > 1:
                return 204
            return web.Response(status=307, headers={"location": inward.url})

        ears.manner = manner
        async with endpoint(shop.staff, ears.url, types=["endpoint.test"]) as made:
            await change(shop.staff, "endpointTest", id=made["id"])
            await ears.until(lambda: ears.taken)

            assert [one.id for one in ears.heard] == [ears.taken[0].id] * 2
            assert inward.heard == []


async def test_a_receiver_that_hangs_delays_nobody_else(shop: Shop, ears: Ears) -> None:
    let_go = asyncio.Event()
    async with listening() as hanging:

        async def manner(heard: Heard) -> int:
            await let_go.wait()
            return 204

        hanging.manner = manner
        async with (
            endpoint(shop.staff, hanging.url, types=["stock.changed"]),
            endpoint(shop.staff, ears.url, types=["stock.changed"]),
        ):
            await shop.receive(TEA_S1=1)
            level = (await shop.level("TEA", "S1"))["id"]
            await ears.until(lambda: ears.of(level) == [1])

            assert hanging.of(level) == []
            let_go.set()
            await hanging.until(lambda: hanging.of(level))


async def test_replays_from_a_cursor_with_the_ids_of_then(shop: Shop, ears: Ears) -> None:
    async with endpoint(shop.staff, ears.url, types=["stock.changed"]) as made:
        start = (await shop.staff.run("{ feed { end } }"))["feed"]["end"]
        await shop.receive(TEA_S1=1)
        await shop.receive(TEA_S1=1)
        level = (await shop.level("TEA", "S1"))["id"]
        await ears.until(lambda: ears.of(level) == [1, 2])
        await eventually(lambda: written_down(shop, made["id"]))
        before = {one.key: one.id for one in ears.taken}

        payload = await change(shop.staff, "endpointReplay", id=made["id"], after=start)
        await ears.until(lambda: ears.of(level) == [1, 2, 1, 2])

        assert payload["errors"] == []
        assert {one.key: one.id for one in ears.taken} == before


async def test_one_delivery_is_replayed(shop: Shop, ears: Ears) -> None:
    async with endpoint(shop.staff, ears.url, types=["endpoint.test"]) as made:
        await change(shop.staff, "endpointTest", id=made["id"])
        await ears.until(lambda: ears.taken)

        async def delivered() -> Any:
            (edge,) = (await shop.staff.run(LOG, id=made["id"]))["node"]["deliveries"]["edges"]
            return edge["node"] if edge["node"]["status"] == "DELIVERED" else None

        one = await eventually(delivered)
        payload = await shop.staff.do(
            f"mutation ($id: ID!) {{ deliveryReplay(id: $id) {{ delivery {{ status attempts }} {ERRORS} }} }}",
            id=one["id"],
        )
        await ears.until(lambda: len(ears.taken) == 2)

        assert payload["delivery"] == {"status": "PENDING", "attempts": 0}
        assert ears.taken[0].id == ears.taken[1].id


async def test_while_secrets_rotate_both_prove_it(shop: Shop, ears: Ears) -> None:
    async with endpoint(shop.staff, ears.url) as made:
        rotated = await shop.staff.do(
            f"mutation ($id: ID!) {{ endpointRotateSecret(id: $id) {{ secret {ERRORS} }} }}", id=made["id"]
        )
        await change(shop.staff, "endpointTest", id=made["id"])
        await ears.until(lambda: [one for one in ears.taken if one.event["type"] == "endpoint.test"])

        (told,) = [one for one in ears.taken if one.event["type"] == "endpoint.test"]
        assert told.event["subject"] == made["id"]
        assert told.signed_by(made["secret"]) and told.signed_by(rotated["secret"])
        assert made["secret"] != rotated["secret"]


async def test_a_test_event_reaches_its_own_endpoint_alone(shop: Shop, ears: Ears) -> None:
    async with listening() as other:
        async with endpoint(shop.staff, ears.url, types=["order.placed"]) as made, endpoint(shop.staff, other.url):
            await change(shop.staff, "endpointTest", id=made["id"])
            await ears.until(lambda: ears.taken)
            await shop.receive(TEA_S1=1)
            await other.until(lambda: [one for one in other.taken if one.event["type"] == "stock.changed"])

            assert [one.event["type"] for one in ears.taken] == ["endpoint.test"]
            assert "endpoint.test" not in {one.event["type"] for one in other.taken}


async def test_what_is_paused_waits(shop: Shop, ears: Ears) -> None:
    async with endpoint(shop.staff, ears.url, types=["stock.changed"]) as made, listening() as other:
        await change(shop.staff, "endpointPause", id=made["id"])
        async with endpoint(shop.staff, other.url, types=["stock.changed"]):
            await shop.receive(TEA_S1=1)
            await other.until(lambda: other.taken)
        assert ears.heard == []
        refused = await change(shop.staff, "endpointTest", id=made["id"])
        assert [e["code"] for e in refused["errors"]] == ["INVALID_STATE"]

        await change(shop.staff, "endpointResume", id=made["id"])
        await ears.until(lambda: ears.taken)
