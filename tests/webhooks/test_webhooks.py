"""Webhooks as a receiver sees them: signed, in order per subject, retried, paused when retries end, replayed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from tests.support.endpoint_calls import change_endpoint, endpoint_log, log_if_all_delivered, temporary_endpoint
from tests.support.shop import ERRORS, Shop
from tests.support.waiting import wait_for_positions, wait_until
from tests.support.webhook_receiver import ReceivedWebhook, WebhookReceiver, webhook_receiver


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with webhook_receiver() as found:
        yield found


async def test_sends_events_signed_and_in_order(shop: Shop, receiver: WebhookReceiver) -> None:
    async with temporary_endpoint(shop.staff, receiver.url, types=["stock.changed"]) as endpoint:
        for _ in range(5):
            await shop.receive(TEA_S1=1)
        level = (await shop.stock_level("TEA", "S1"))["id"]
        await receiver.wait_until(lambda: len(receiver.accepted_versions(level)) == 5)

        assert receiver.accepted_versions(level) == [1, 2, 3, 4, 5]
        assert all(webhook.signed_by(endpoint["secret"]) for webhook in receiver.received)
        assert all(webhook.id == webhook.event["id"] for webhook in receiver.received)
        feed = await shop.staff.execute(
            '{ events(first: 100, types: ["stock.changed"]) { edges { node { id subject version } } } }'
        )
        ids = {(e["node"]["subject"], e["node"]["version"]): e["node"]["id"] for e in feed["events"]["edges"]}
        assert all(ids.get(webhook.key, webhook.id) == webhook.id for webhook in receiver.received)
        log = await wait_until(lambda: log_if_all_delivered(shop, endpoint["id"]))
        assert log["status"] == "ACTIVE"


async def test_retries_with_the_same_id_and_delays_no_other_subject(shop: Shop, receiver: WebhookReceiver) -> None:
    await shop.receive(TEA_S1=1)
    await wait_for_positions(shop.hub.database)
    failing_level = (await shop.stock_level("TEA", "S1"))["id"]
    tries: list[ReceivedWebhook] = []

    async def respond(webhook: ReceivedWebhook) -> int:
        if webhook.event["subject"] != failing_level or len(tries) >= 3:
            return 204
        tries.append(webhook)
        return 500

    receiver.respond = respond
    async with temporary_endpoint(shop.staff, receiver.url, types=["stock.changed"]) as endpoint:
        await shop.receive(TEA_S1=1)
        await shop.receive(TEA_S1=1)
        await shop.receive(POT_S1=1)
        await receiver.wait_until(lambda: receiver.accepted_versions(failing_level) == [2, 3])

        assert len({webhook.id for webhook in tries}) == 1
        order = [webhook.event["subject"] for webhook in receiver.accepted]
        assert order.index(failing_level) > min(n for n, subject in enumerate(order) if subject != failing_level)
        log = await wait_until(lambda: log_if_all_delivered(shop, endpoint["id"]))
        (retried,) = [e["node"] for e in log["deliveries"]["edges"] if e["node"]["event"]["id"] == tries[0].id]
        assert (retried["attempts"], retried["responseCode"]) == (4, 204)
        assert [one["responseCode"] for one in retried["log"]] == [500, 500, 500]


async def test_pauses_an_endpoint_when_its_retries_end_and_loses_no_event(
    shop: Shop, receiver: WebhookReceiver
) -> None:
    async def respond(webhook: ReceivedWebhook) -> int:
        return 500

    receiver.respond = respond
    async with temporary_endpoint(shop.staff, receiver.url, types=["stock.changed"]) as endpoint:
        await shop.receive(TEA_S1=1)
        await shop.receive(TEA_S1=1)

        async def paused() -> Any:
            found = await endpoint_log(shop, endpoint["id"])
            return found if found["status"] == "PAUSED" else None

        found = await wait_until(paused, within_s=30)
        assert found["pausedReason"] == "EXHAUSTED"
        receiver.respond = None
        level = (await shop.stock_level("TEA", "S1"))["id"]
        await change_endpoint(shop.staff, "endpointResume", id=endpoint["id"])
        await receiver.wait_until(lambda: receiver.accepted_versions(level) == [1, 2])


async def test_pauses_an_endpoint_that_answers_410(shop: Shop, receiver: WebhookReceiver) -> None:
    async def respond(webhook: ReceivedWebhook) -> int:
        return 410

    receiver.respond = respond
    async with temporary_endpoint(shop.staff, receiver.url, types=["endpoint.test"]) as endpoint:
        await change_endpoint(shop.staff, "endpointTest", id=endpoint["id"])

        async def paused() -> Any:
            found = await endpoint_log(shop, endpoint["id"])
            return found["pausedReason"] == "GONE"

        await wait_until(paused, within_s=30)
        assert len(receiver.received) == 1


async def test_counts_a_redirect_as_a_failure_and_does_not_follow_it(shop: Shop, receiver: WebhookReceiver) -> None:
    async with webhook_receiver() as redirect_target:

        async def respond(webhook: ReceivedWebhook) -> web.Response | int:
            if len(receiver.received) > 1:
                return 204
            return web.Response(status=307, headers={"location": redirect_target.url})

        receiver.respond = respond
        async with temporary_endpoint(shop.staff, receiver.url, types=["endpoint.test"]) as endpoint:
            await change_endpoint(shop.staff, "endpointTest", id=endpoint["id"])
            await receiver.wait_until(lambda: receiver.accepted)

            assert [webhook.id for webhook in receiver.received] == [receiver.accepted[0].id] * 2
            assert redirect_target.received == []


async def test_a_receiver_that_hangs_delays_no_other_endpoint(shop: Shop, receiver: WebhookReceiver) -> None:
    released = asyncio.Event()
    async with webhook_receiver() as hanging:

        async def respond(webhook: ReceivedWebhook) -> int:
            await released.wait()
            return 204

        hanging.respond = respond
        async with (
            temporary_endpoint(shop.staff, hanging.url, types=["stock.changed"]),
            temporary_endpoint(shop.staff, receiver.url, types=["stock.changed"]),
        ):
            await shop.receive(TEA_S1=1)
            level = (await shop.stock_level("TEA", "S1"))["id"]
            await receiver.wait_until(lambda: receiver.accepted_versions(level) == [1])

            assert hanging.accepted_versions(level) == []
            released.set()
            await hanging.wait_until(lambda: hanging.accepted_versions(level))


async def test_replays_from_a_cursor_with_the_original_ids(shop: Shop, receiver: WebhookReceiver) -> None:
    async with temporary_endpoint(shop.staff, receiver.url, types=["stock.changed"]) as endpoint:
        start = await shop.feed_end()
        await shop.receive(TEA_S1=1)
        await shop.receive(TEA_S1=1)
        level = (await shop.stock_level("TEA", "S1"))["id"]
        await receiver.wait_until(lambda: receiver.accepted_versions(level) == [1, 2])
        await wait_until(lambda: log_if_all_delivered(shop, endpoint["id"]))
        before = {webhook.key: webhook.id for webhook in receiver.accepted}

        payload = await change_endpoint(shop.staff, "endpointReplay", id=endpoint["id"], after=start)
        await receiver.wait_until(lambda: receiver.accepted_versions(level) == [1, 2, 1, 2])

        assert payload["errors"] == []
        assert {webhook.key: webhook.id for webhook in receiver.accepted} == before


async def test_replays_one_delivery(shop: Shop, receiver: WebhookReceiver) -> None:
    async with temporary_endpoint(shop.staff, receiver.url, types=["endpoint.test"]) as endpoint:
        await change_endpoint(shop.staff, "endpointTest", id=endpoint["id"])
        await receiver.wait_until(lambda: receiver.accepted)

        async def delivered() -> Any:
            (edge,) = (await endpoint_log(shop, endpoint["id"]))["deliveries"]["edges"]
            return edge["node"] if edge["node"]["status"] == "DELIVERED" else None

        delivery = await wait_until(delivered)
        payload = await shop.staff.mutate(
            f"mutation ($id: ID!) {{ deliveryReplay(id: $id) {{ delivery {{ status attempts }} {ERRORS} }} }}",
            id=delivery["id"],
        )
        await receiver.wait_until(lambda: len(receiver.accepted) == 2)

        assert payload["delivery"] == {"status": "PENDING", "attempts": 0}
        assert receiver.accepted[0].id == receiver.accepted[1].id


async def test_signs_with_both_secrets_during_a_rotation(shop: Shop, receiver: WebhookReceiver) -> None:
    async with temporary_endpoint(shop.staff, receiver.url) as endpoint:
        rotated = await shop.staff.mutate(
            f"mutation ($id: ID!) {{ endpointRotateSecret(id: $id) {{ secret {ERRORS} }} }}", id=endpoint["id"]
        )
        await change_endpoint(shop.staff, "endpointTest", id=endpoint["id"])
        await receiver.wait_until(
            lambda: [webhook for webhook in receiver.accepted if webhook.event["type"] == "endpoint.test"]
        )

        (webhook,) = [webhook for webhook in receiver.accepted if webhook.event["type"] == "endpoint.test"]
        assert webhook.event["subject"] == endpoint["id"]
        assert webhook.signed_by(endpoint["secret"]) and webhook.signed_by(rotated["secret"])
        assert endpoint["secret"] != rotated["secret"]


async def test_sends_a_test_event_to_its_own_endpoint_only(shop: Shop, receiver: WebhookReceiver) -> None:
    async with webhook_receiver() as other:
        async with (
            temporary_endpoint(shop.staff, receiver.url, types=["order.placed"]) as endpoint,
            temporary_endpoint(shop.staff, other.url),
        ):
            await change_endpoint(shop.staff, "endpointTest", id=endpoint["id"])
            await receiver.wait_until(lambda: receiver.accepted)
            await shop.receive(TEA_S1=1)
            await other.wait_until(
                lambda: [webhook for webhook in other.accepted if webhook.event["type"] == "stock.changed"]
            )

            assert [webhook.event["type"] for webhook in receiver.accepted] == ["endpoint.test"]
            assert "endpoint.test" not in {webhook.event["type"] for webhook in other.accepted}


async def test_sends_nothing_to_a_paused_endpoint_until_it_is_resumed(shop: Shop, receiver: WebhookReceiver) -> None:
    async with (
        temporary_endpoint(shop.staff, receiver.url, types=["stock.changed"]) as endpoint,
        webhook_receiver() as other,
    ):
        await change_endpoint(shop.staff, "endpointPause", id=endpoint["id"])
        async with temporary_endpoint(shop.staff, other.url, types=["stock.changed"]):
            await shop.receive(TEA_S1=1)
            await other.wait_until(lambda: other.accepted)
        assert receiver.received == []
        refused = await change_endpoint(shop.staff, "endpointTest", id=endpoint["id"])
        assert [e["code"] for e in refused["errors"]] == ["INVALID_STATE"]

        await change_endpoint(shop.staff, "endpointResume", id=endpoint["id"])
        await receiver.wait_until(lambda: receiver.accepted)
