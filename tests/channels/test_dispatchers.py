"""Several dispatchers at once, some of which end in the middle: everything arrives, in order per subject, under one id."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from ears import Ears, Heard, listening
from test_webhooks import change, endpoint

from client import Refused
from patience import eventually
from shop import ERRORS, Shop
from uriba.core import ids
from uriba.outbox.hints import Hints
from uriba.webhooks.dispatcher import Dispatcher


def in_order(ears: Ears, subject: str, number: int) -> bool:
    """Whether the first arrivals of a subject are its versions 1 to `number`, each under one id."""
    first: dict[int, str] = {}
    for one in ears.taken:
        if one.event["subject"] == subject:
            assert first.setdefault(one.event["version"], one.id) == one.id, "one event, two ids"
    assert list(first) == sorted(first), "out of order"
    return list(first) == list(range(1, number + 1))


@pytest.mark.parametrize("seed", [1, 2])
async def test_dispatchers_come_and_go_and_nothing_is_lost(shop: Shop, seed: int) -> None:
    dice = random.Random(seed)
    assert shop.hub.settings.valkey_url
    hints = Hints(shop.hub.settings.valkey_url)
    settings = shop.hub.settings.model_copy(update={"webhook_lease_s": 0.5, "webhook_retry_s": (0.05,) * 30})

    def start() -> asyncio.Task[None]:
        return asyncio.create_task(Dispatcher(shop.hub.database, hints, settings).run())

    async def manner(heard: Heard) -> int:
        return 503 if dice.random() < 0.1 else 204

    running = [start() for _ in range(3)]
    async with listening() as ears:
        ears.manner = manner
        async with endpoint(shop.staff, ears.url, types=["stock.changed"]) as made:
            for n in range(1, 31):
                await shop.receive(TEA_S1=1, POT_S1=1)
                if n % 6 == 0:
                    ended = running.pop(dice.randrange(len(running)))
                    ended.cancel()
                    await asyncio.gather(ended, return_exceptions=True)
                    # Whoever holds it now loses it, as by a lease that has run out.
                    async with shop.hub.database.transaction() as session:
                        await session.run(
                            "UPDATE endpoint SET fence = fence + 1, lease_until = NULL WHERE id = $1",
                            ids.uuid(made["id"], "Endpoint"),
                        )
                    running.append(start())
            levels = [(await shop.level(sku, "S1"))["id"] for sku in ("TEA", "POT")]
            await ears.until(lambda: all(in_order(ears, level, 30) for level in levels), within_s=60)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await hints.close()


async def test_what_is_written_by_one_that_lost_its_lease_changes_nothing(shop: Shop) -> None:
    let_go = asyncio.Event()
    async with listening() as ears:

        async def manner(heard: Heard) -> int:
            if len(ears.heard) == 1:
                await let_go.wait()
            return 204

        ears.manner = manner
        async with endpoint(shop.staff, ears.url, types=["endpoint.test"]) as made:
            await change(shop.staff, "endpointTest", id=made["id"])
            await eventually(lambda: _heard(ears))
            await change(shop.staff, "endpointPause", id=made["id"])
            let_go.set()
            await ears.until(lambda: ears.taken)

            log = await shop.staff.run(
                "query ($id: ID!) { node(id: $id) { ... on Endpoint { deliveries { edges { node { status attempts } } } } } }",
                id=made["id"],
            )
            assert [e["node"] for e in log["node"]["deliveries"]["edges"]] == [{"status": "PENDING", "attempts": 0}]
            await change(shop.staff, "endpointResume", id=made["id"])
            await ears.until(lambda: len(ears.taken) == 2)
            assert len({one.id for one in ears.taken}) == 1


async def _heard(ears: Ears) -> bool:
    return bool(ears.heard)


async def test_a_channels_endpoints_are_its_own(shop: Shop) -> None:
    app, web = await shop.app("app"), await shop.app("web")
    async with listening() as ears, endpoint(app, ears.url) as made:
        assert made["channel"] == {"code": shop.code("app")}
        assert [e["id"] for e in (await app.run("{ endpoints { id } }"))["endpoints"]] == [made["id"]]
        assert (await web.run("{ endpoints { id } }"))["endpoints"] == []
        for field in ("endpointDelete", "endpointPause", "endpointResume", "endpointTest"):
            refused = await change(web, field, id=made["id"])
            assert [e["code"] for e in refused["errors"]] == ["NOT_FOUND"], field
        elsewhere = await web.do(
            f"mutation ($i: EndpointInput!) {{ endpointCreate(input: $i) {{ endpoint {{ id }} {ERRORS} }} }}",
            i={"url": ears.url, "channel": shop.code("app")},
        )
        assert [(e["code"], e["path"]) for e in elsewhere["errors"]] == [("NOT_FOUND", ["input", "channel"])]
        with pytest.raises(Refused):
            await shop.guest().run("{ endpoints { id } }")


async def test_secrets_are_shown_once_and_kept_from_the_log(shop: Shop) -> None:
    async with listening() as ears, endpoint(shop.staff, ears.url) as made:
        assert made["secret"].startswith("whsec_")
        payload: dict[str, Any] = await change(shop.staff, "endpointPause", id=made["id"])
        assert "secret" not in payload
        async with shop.hub.database.reading() as session:
            kept = await session.fetchval(
                "SELECT octet_length(secret) FROM endpoint_secret WHERE endpoint_id = $1",
                ids.uuid(made["id"], "Endpoint"),
            )
        assert kept == 32
