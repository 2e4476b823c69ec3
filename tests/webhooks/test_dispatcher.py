"""Several dispatchers at once, some of which end meanwhile: every event arrives, in order per subject, under one id."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from tests.support.client import Refused
from tests.support.endpoint_calls import change_endpoint, temporary_endpoint
from tests.support.shop import ERRORS, Shop
from tests.support.waiting import wait_until
from tests.support.webhook_receiver import ReceivedWebhook, WebhookReceiver, webhook_receiver
from uriba.core import ids
from uriba.db.statements import statement
from uriba.outbox.hints import Hints
from uriba.webhooks.dispatcher import Dispatcher

_END_LEASE = statement("UPDATE endpoint SET fence = fence + 1, lease_until = NULL WHERE id = :endpoint_id")
_SECRET_BYTES = statement("SELECT octet_length(secret) FROM endpoint_secret WHERE endpoint_id = :endpoint_id")


def in_order(receiver: WebhookReceiver, subject: str, number: int) -> bool:
    """Return whether the first arrivals of a subject are its versions 1 to `number`, each under one id."""
    first: dict[int, str] = {}
    for webhook in receiver.accepted:
        if webhook.event["subject"] == subject:
            assert first.setdefault(webhook.event["version"], webhook.id) == webhook.id, "one event, two ids"
    assert list(first) == sorted(first), "out of order"
    return list(first) == list(range(1, number + 1))


@pytest.mark.parametrize("seed", [1, 2])
async def test_loses_no_event_while_dispatchers_start_and_end(shop: Shop, seed: int) -> None:
    rng = random.Random(seed)
    assert shop.hub.settings.valkey_url
    hints = Hints(shop.hub.settings.valkey_url)
    settings = shop.hub.settings.model_copy(update={"webhook_lease_s": 0.5, "webhook_retry_s": (0.05,) * 30})

    def start() -> asyncio.Task[None]:
        return asyncio.create_task(Dispatcher(shop.hub.database, hints, settings).run())

    async def respond(webhook: ReceivedWebhook) -> int:
        return 503 if rng.random() < 0.1 else 204

    running = [start() for _ in range(3)]
    async with webhook_receiver() as receiver:
        receiver.respond = respond
        async with temporary_endpoint(shop.staff, receiver.url, types=["stock.changed"]) as endpoint:
            for n in range(1, 31):
                await shop.receive(TEA_S1=1, POT_S1=1)
                if n % 6 == 0:
                    ended = running.pop(rng.randrange(len(running)))
                    ended.cancel()
                    await asyncio.gather(ended, return_exceptions=True)
                    # Take the lease from its holder, as if it had expired.
                    async with shop.hub.database.transaction() as session:
                        await session.run(_END_LEASE, endpoint_id=ids.uuid(endpoint["id"], "Endpoint"))
                    running.append(start())
            levels = [(await shop.stock_level(sku, "S1"))["id"] for sku in ("TEA", "POT")]
            await receiver.wait_until(lambda: all(in_order(receiver, level, 30) for level in levels), within_s=60)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await hints.close()


async def test_a_dispatcher_that_lost_its_lease_writes_nothing(shop: Shop) -> None:
    released = asyncio.Event()
    async with webhook_receiver() as receiver:

        async def respond(webhook: ReceivedWebhook) -> int:
            if len(receiver.received) == 1:
                await released.wait()
            return 204

        receiver.respond = respond
        async with temporary_endpoint(shop.staff, receiver.url, types=["endpoint.test"]) as endpoint:
            await change_endpoint(shop.staff, "endpointTest", id=endpoint["id"])
            await wait_until(lambda: _has_received(receiver))
            await change_endpoint(shop.staff, "endpointPause", id=endpoint["id"])
            released.set()
            await receiver.wait_until(lambda: receiver.accepted)

            log = await shop.staff.execute(
                "query ($id: ID!) { node(id: $id) { ... on Endpoint { deliveries { edges { node { status attempts } } } } } }",
                id=endpoint["id"],
            )
            assert [e["node"] for e in log["node"]["deliveries"]["edges"]] == [{"status": "PENDING", "attempts": 0}]
            await change_endpoint(shop.staff, "endpointResume", id=endpoint["id"])
            await receiver.wait_until(lambda: len(receiver.accepted) == 2)
            assert len({webhook.id for webhook in receiver.accepted}) == 1


async def _has_received(receiver: WebhookReceiver) -> bool:
    return bool(receiver.received)


async def test_an_app_reaches_only_the_endpoints_of_its_channel(shop: Shop) -> None:
    app, web = await shop.app("app"), await shop.app("web")
    async with webhook_receiver() as receiver, temporary_endpoint(app, receiver.url) as endpoint:
        assert endpoint["channel"] == {"code": shop.code("app")}
        assert [e["id"] for e in (await app.execute("{ endpoints { id } }"))["endpoints"]] == [endpoint["id"]]
        assert (await web.execute("{ endpoints { id } }"))["endpoints"] == []
        for field in ("endpointDelete", "endpointPause", "endpointResume", "endpointTest"):
            refused = await change_endpoint(web, field, id=endpoint["id"])
            assert [e["code"] for e in refused["errors"]] == ["NOT_FOUND"], field
        elsewhere = await web.mutate(
            f"mutation ($i: EndpointInput!) {{ endpointCreate(input: $i) {{ endpoint {{ id }} {ERRORS} }} }}",
            i={"url": receiver.url, "channel": shop.code("app")},
        )
        assert [(e["code"], e["path"]) for e in elsewhere["errors"]] == [("NOT_FOUND", ["input", "channel"])]
        with pytest.raises(Refused):
            await shop.guest().execute("{ endpoints { id } }")


async def test_returns_a_secret_only_on_creation(shop: Shop) -> None:
    async with webhook_receiver() as receiver, temporary_endpoint(shop.staff, receiver.url) as endpoint:
        assert endpoint["secret"].startswith("whsec_")
        payload: dict[str, Any] = await change_endpoint(shop.staff, "endpointPause", id=endpoint["id"])
        assert "secret" not in payload
        async with shop.hub.database.reading() as session:
            kept = await session.fetchval(_SECRET_BYTES, endpoint_id=ids.uuid(endpoint["id"], "Endpoint"))
        assert kept == 32
