"""Sync health and parity: how far endpoints, readers and tills have come, as staff and apps see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.alert_sweeps import execute_sql, run_alert_sweeps, set_opening_hours
from tests.support.client import Client
from tests.support.endpoint_calls import change_endpoint, temporary_endpoint
from tests.support.shop import ERRORS, Shop
from tests.support.tills import Till, open_till
from tests.support.waiting import wait_for_positions, wait_until
from tests.support.webhook_receiver import WebhookReceiver, webhook_receiver

HEALTH = """query ($c: String) { channelHealth(channel: $c) { channel { code }
    endpoints { endpoint { id } status lastSeenAt acknowledged lagSeconds lagEvents failingSince }
    readers { name acknowledged lagEvents lagSeconds expired } } }"""
PARITY = """query ($c: String, $n: Int) { channelParity(channel: $c, first: $n) {
    endpoint { id } count differences { subject version delivered since } } }"""
LAST_SYNC_1000_S_AGO = "UPDATE pos_terminal SET synced_at = now() - interval '1000 s' WHERE key_id = :key_id"
TILLS = """query ($l: String, $n: Int, $a: String) { terminalHealth(location: $l, first: $n, after: $a) {
    edges { node { terminal lastSeenAt epoch acknowledged missing skewMs parked newestFactAt lagSeconds silentSince
        location { code } } } pageInfo { hasNextPage endCursor } } }"""


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with webhook_receiver() as found:
        yield found


async def refuse(_: object) -> int:
    return 500


async def health(client: Client, channel: str | None = None) -> list[dict[str, Any]]:
    return (await client.execute(HEALTH, c=channel))["channelHealth"]  # type: ignore[no-any-return]


async def endpoint_health(shop: Shop, id: str) -> dict[str, Any]:
    """Return the health of one endpoint of the channel web."""
    (web,) = await health(shop.staff, shop.code("web"))
    assert web["channel"] == {"code": shop.code("web")}
    (found,) = [one for one in web["endpoints"] if one["endpoint"]["id"] == id]
    return found  # type: ignore[no-any-return]


async def parity(shop: Shop, id: str, first: int = 20) -> dict[str, Any]:
    found = (await shop.staff.execute(PARITY, c=shop.code("web"), n=first))["channelParity"]
    (one,) = [one for one in found if one["endpoint"]["id"] == id]
    return one  # type: ignore[no-any-return]


async def test_a_failing_endpoint_lags_and_then_catches_up(shop: Shop, receiver: WebhookReceiver) -> None:
    await shop.receive(TEA_S1=1)
    tea, end = (await shop.stock_level("TEA", "S1"))["id"], await shop.feed_end()
    receiver.respond = refuse
    async with temporary_endpoint(shop.staff, receiver.url, types=["stock.changed"], channel=shop.code("web")) as made:
        fresh = await endpoint_health(shop, made["id"])
        for _ in range(3):
            await shop.receive(TEA_S1=1)
        await shop.receive(POT_S1=1)
        await wait_for_positions(shop.hub.database)

        async def gave_up() -> Any:
            found = await endpoint_health(shop, made["id"])
            return found if found["status"] == "PAUSED" else None

        behind = await wait_until(gave_up, within_s=30)
        differing = await parity(shop, made["id"])
        receiver.respond = None
        await change_endpoint(shop.staff, "endpointResume", id=made["id"])
        await receiver.wait_until(lambda: receiver.accepted_versions(tea) == [2, 3, 4] and len(receiver.accepted) == 4)

        async def caught_up() -> Any:
            found = await endpoint_health(shop, made["id"])
            return found if not found["lagEvents"] else None

        well = await wait_until(caught_up, within_s=30)

        assert (fresh["lagEvents"], fresh["lagSeconds"], fresh["lastSeenAt"]) == (0, 0, None)
        assert behind["acknowledged"] >= end and behind["lagEvents"] == 4
        assert behind["lagSeconds"] > 0 and behind["failingSince"]
        assert [(one["version"], one["delivered"]) for one in differing["differences"]] == [(4, None), (1, None)]
        assert differing["differences"][0]["subject"] == tea
        assert (well["lagSeconds"], well["failingSince"], well["status"]) == (0, None, "ACTIVE")
        assert well["lastSeenAt"] and well["acknowledged"] != behind["acknowledged"]
        assert await parity(shop, made["id"]) == {"endpoint": {"id": made["id"]}, "count": 0, "differences": []}


async def test_parity_counts_all_differences_and_returns_the_first(shop: Shop, receiver: WebhookReceiver) -> None:
    receiver.respond = refuse
    async with temporary_endpoint(shop.staff, receiver.url, types=["stock.changed"], channel=shop.code("web")) as made:
        await shop.receive(TEA_S1=1)
        await shop.receive(POT_S1=1, CUP_S1=1)
        await wait_for_positions(shop.hub.database)

        one, none = await parity(shop, made["id"], first=1), await parity(shop, made["id"], first=0)

        assert (one["count"], len(one["differences"])) == (3, 1)
        assert (none["count"], none["differences"]) == (3, [])
        assert one["differences"][0]["subject"] == (await shop.stock_level("TEA", "S1"))["id"]


async def test_a_delivery_that_was_given_up_differs_until_a_newer_event_is_accepted(
    shop: Shop, receiver: WebhookReceiver
) -> None:
    receiver.respond = refuse
    async with temporary_endpoint(shop.staff, receiver.url, types=["stock.changed"], channel=shop.code("web")) as made:
        await shop.receive(TEA_S1=1)

        async def waiting() -> Any:
            log = await shop.staff.execute(
                """query ($id: ID!) { node(id: $id) { ... on Endpoint { status deliveries(first: 5) {
                    edges { node { id status } } } } } }""",
                id=made["id"],
            )
            edges = log["node"]["deliveries"]["edges"]
            return edges[0]["node"]["id"] if edges and log["node"]["status"] == "PAUSED" else None

        delivery = await wait_until(waiting, within_s=30)
        await shop.staff.mutate(f"mutation ($id: ID!) {{ deliveryGiveUp(id: $id) {{ {ERRORS} }} }}", id=delivery)
        given_up = await parity(shop, made["id"])
        receiver.respond = None
        await change_endpoint(shop.staff, "endpointResume", id=made["id"])
        still = await parity(shop, made["id"])
        await shop.receive(TEA_S1=1)
        await receiver.wait_until(lambda: receiver.accepted)

        async def equal() -> bool:
            return (await parity(shop, made["id"]))["count"] == 0

        assert [one["version"] for one in given_up["differences"]] == [1]
        assert still["count"] == 1
        await wait_until(equal, within_s=30)


async def test_readers_of_the_feed_are_recorded_by_the_cursors_they_ask_after(shop: Shop) -> None:
    reader, other = await shop.app("web"), await shop.app("app")
    read = "query ($a: String) { events(after: $a, first: 100) { pageInfo { endCursor hasNextPage } } }"
    start = await shop.feed_end()
    before = await health(reader)
    await reader.execute(read, a=start)
    await shop.receive(TEA_S1=1)
    await shop.receive(TEA_S1=1)
    await wait_for_positions(shop.hub.database)

    (behind,) = await health(reader)
    mine = behind["readers"]

    assert before == []
    assert [(one["acknowledged"], one["expired"]) for one in mine] == [(start, False)]
    assert mine[0]["lagEvents"] >= 2 and mine[0]["lagSeconds"] > 0
    assert await health(other) == []
    assert [e["extensions"]["code"] for e in (await other.post(HEALTH, c=shop.code("web")))["errors"]] == ["NOT_FOUND"]


async def test_a_tills_health_has_its_gaps_parked_events_and_silence(shop: Shop) -> None:
    await set_opening_hours(shop)
    till, never = await open_till(shop), await open_till(shop)
    first, skipped, third = (till.stock_fact("RECEIPT", TEA=1) for _ in range(3))
    unknown = till.fact("RECEIPT", [{"sku": "NO-SUCH-GOODS", "quantity": 1}])
    assert await till.verdicts(first, third, unknown) == ["APPLIED", "APPLIED", "PARKED"]

    found = await tills_by_key(shop)
    await execute_sql(shop, LAST_SYNC_1000_S_AGO, key_id=key_of(till))
    silent = (await tills_by_key(shop))[key_of(till)]

    mine = found[key_of(till)]
    assert (mine["epoch"], mine["acknowledged"], mine["missing"], mine["parked"]) == (1, 1, 1, 1)
    assert mine["location"] == {"code": shop.code("S1")}
    assert mine["newestFactAt"] and mine["lagSeconds"] >= 0 and mine["silentSince"] is None
    assert silent["silentSince"] == silent["lastSeenAt"]
    assert found[key_of(never)]["lastSeenAt"] is None
    assert found[key_of(never)]["silentSince"] is None
    await till.send(skipped)
    assert (await tills_by_key(shop))[key_of(till)]["missing"] == 0


async def test_a_till_sees_the_tills_of_its_own_store_only(shop: Shop) -> None:
    here, there = await open_till(shop, "S1"), await open_till(shop, "S2")

    edges = (await here.client.execute(TILLS, n=100))["terminalHealth"]["edges"]
    refused = await here.client.post(TILLS, l=shop.code("S2"))

    assert {edge["node"]["terminal"] for edge in edges} == {key_of(here)}
    assert key_of(there) in await tills_by_key(shop, "S2")
    assert [e["extensions"]["code"] for e in refused["errors"]] == ["NOT_FOUND"]


async def test_tills_are_returned_by_pages(shop: Shop) -> None:
    made = {key_of(await open_till(shop)) for _ in range(5)}
    found: list[str] = []
    after: str | None = None
    while True:
        page = (await shop.staff.execute(TILLS, l=shop.code("S1"), n=2, a=after))["terminalHealth"]
        found += [edge["node"]["terminal"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break

    assert sorted(found) == sorted(made)


async def test_metrics_have_the_health_of_all(shop: Shop, receiver: WebhookReceiver) -> None:
    await set_opening_hours(shop)
    receiver.respond = refuse
    till = await open_till(shop)
    await till.verdicts(till.fact("RECEIPT", [{"sku": "NO-SUCH-GOODS", "quantity": 1}]))
    await execute_sql(shop, LAST_SYNC_1000_S_AGO, key_id=key_of(till))
    await run_alert_sweeps(shop)
    async with temporary_endpoint(shop.staff, receiver.url, types=["stock.changed"], channel=shop.code("web")):
        before = await read_metrics(shop)
        await shop.receive(TEA_S1=1)

        async def waits() -> Any:
            found = await read_metrics(shop)
            return found if found["uriba_deliveries_pending"] >= 1 else None

        after = await wait_until(waits, within_s=30)

        assert before["uriba_terminals_silent"] >= 1
        assert before["uriba_facts_parked"] >= 1
        assert before['uriba_alerts_open{kind="TERMINAL_SILENT"}'] >= 1
        assert before['uriba_endpoints{status="ACTIVE"}'] >= 1
        assert after["uriba_endpoint_lag_seconds"] > 0


async def read_metrics(shop: Shop) -> dict[str, float]:
    """Return the values of /metrics by name and labels."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(shop.hub.url.replace("/graphql", "/metrics"))).text
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


async def tills_by_key(shop: Shop, store: str = "S1") -> dict[str, dict[str, Any]]:
    """Return the health of a store's tills by key, as staff see it."""
    found = (await shop.staff.execute(TILLS, l=shop.code(store), n=100))["terminalHealth"]["edges"]
    return {edge["node"]["terminal"]: edge["node"] for edge in found}


def key_of(till: Till) -> str:
    assert till.client.key
    return till.client.key.split("_")[2]
