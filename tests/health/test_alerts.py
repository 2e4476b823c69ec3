"""Alerts: each opens once, does not flap, closes, and is in the feed; time is moved in the data."""

from __future__ import annotations

import asyncio

import pytest
from endpoint_api import change_endpoint, temporary_endpoint
from tills import Till, open_till
from watching import ACKNOWLEDGE, ALERTS, Counted, about, look, open_always, run, statuses, told
from webhook_receiver import webhook_receiver

from patience import backend, eventually, is_blocked, numbered
from scratch import scratch_hub
from shop import Shop
from uriba import invariants
from uriba.alerts import alerts, signals
from uriba.core import clock
from uriba.core.actor import Scope
from uriba.core.ids import global_id, local_id
from uriba.health.alert_sources import alert_sources
from uriba.outbox import relay


def terminal(till: Till) -> str:
    """The subject of a till."""
    assert till.client.key
    return f"Terminal:{till.client.key.split('_')[2]}"


async def silent(shop: Shop, till: Till, seconds: int) -> None:
    await run(
        shop,
        "UPDATE pos_terminal SET synced_at = now() - make_interval(secs => $2) WHERE key_id = $1",
        terminal(till).removeprefix("Terminal:"),
        seconds,
    )


async def calm(shop: Shop, seconds: int) -> None:
    """All that is well has been so for longer."""
    await run(shop, "UPDATE alert SET calm_since = calm_since - make_interval(secs => $1)", seconds)


async def test_a_silent_till_is_told_once_and_closed_once_it_syncs(shop: Shop) -> None:
    await open_always(shop)
    till = await open_till(shop)
    await till.send()
    subject = terminal(till)

    await silent(shop, till, 700)
    await look(shop)
    assert await about(shop, subject) == []
    for seconds in (905, 700, 905, 2_000, 301):
        await silent(shop, till, seconds)
        await look(shop)
        assert await statuses(shop, subject) == ["OPEN"]
    (alert,) = await about(shop, subject, "TERMINAL_SILENT")
    assert (alert["kind"], alert["threshold"], alert["location"]) == ("TERMINAL_SILENT", 900, {"code": shop.code("S1")})
    assert alert["value"] >= 905
    await till.send()
    await look(shop)
    assert await statuses(shop, subject) == ["OPEN"]  # It may fall silent again at once.
    await calm(shop, 61)
    await look(shop)

    assert await statuses(shop, subject) == ["CLOSED"]
    content = {
        "kind": "TERMINAL_SILENT",
        "about": alert["subject"],
        "locationCode": shop.code("S1"),
        "value": alert["value"],
        "threshold": 900,
    }
    assert await told(shop, alert["id"]) == [("alert.opened", 1, content), ("alert.closed", 2, content)]


async def test_nobody_misses_a_till_while_its_store_is_closed(shop: Shop) -> None:
    till = await open_till(shop)
    await till.send()
    await silent(shop, till, 2_000)
    now = clock.now()
    later = [(now.hour + n) % 24 for n in (11, 12)]
    await run(
        shop,
        "UPDATE location SET opening_hours = $2, timezone = 'UTC' WHERE code = $1",
        shop.code("S1"),
        f"{later[0]:02}:00-{later[1]:02}:00",
    )

    await look(shop)

    assert await about(shop, terminal(till)) == []


async def test_a_revoked_till_is_missed_no_more(shop: Shop) -> None:
    await open_always(shop)
    till = await open_till(shop)
    await till.send()
    await silent(shop, till, 1_000)
    await look(shop)
    assert await statuses(shop, terminal(till)) == ["OPEN"]

    await run(shop, "UPDATE access_key SET revoked_at = now() WHERE id = $1", terminal(till).removeprefix("Terminal:"))
    await look(shop)
    await calm(shop, 61)
    await look(shop)

    assert await statuses(shop, terminal(till)) == ["CLOSED"]


async def test_an_endpoint_that_is_given_up_is_told_but_not_one_that_somebody_paused(shop: Shop) -> None:
    async with webhook_receiver() as receiver:
        receiver.respond = lambda _: asyncio.sleep(0, 410)
        async with temporary_endpoint(shop.staff, receiver.url, types=["endpoint.test"]) as gone:
            async with temporary_endpoint(shop.staff, receiver.url, types=["cart.merged"]) as asked:
                await change_endpoint(shop.staff, "endpointPause", id=asked["id"])
                await change_endpoint(shop.staff, "endpointTest", id=gone["id"])

                async def paused() -> bool:
                    rows = (await shop.staff.run("{ endpoints { id status } }"))["endpoints"]
                    return {"id": gone["id"], "status": "PAUSED"} in rows

                await eventually(paused, within_s=30)
                await look(shop)
                await look(shop)
                given_up, paused_by_hand = (f"Endpoint:{local_id(e['id'], 'Endpoint')}" for e in (gone, asked))
                assert await statuses(shop, given_up) == ["OPEN"]
                assert await about(shop, paused_by_hand) == []
                receiver.respond = None
                await change_endpoint(shop.staff, "endpointResume", id=gone["id"])
                await look(shop)
                await calm(shop, 61)
                await look(shop)
                assert await statuses(shop, given_up) == ["CLOSED"]


async def test_another_channels_endpoint_is_no_business_of_an_app(shop: Shop) -> None:
    own, others = await shop.app("app", Scope.INVENTORY), await shop.app("web", Scope.INVENTORY)
    async with temporary_endpoint(own, "http://127.0.0.1:9/", types=["cart.merged"]) as made:
        await run(
            shop,
            "UPDATE endpoint SET status = 'PAUSED', paused_at = now(), paused_reason = 'GONE' WHERE id = $1",
            local_id(made["id"], "Endpoint"),
        )
        await look(shop)
        (alert,) = await about(shop, f"Endpoint:{local_id(made['id'], 'Endpoint')}")

        seen = [
            [e["node"]["id"] for e in (await client.run(ALERTS, k="ENDPOINT_PAUSED"))["alerts"]["edges"]]
            for client in (own, others)
        ]
        answers = [await client.do(ACKNOWLEDGE, id=alert["id"]) for client in (others, own)]

        assert [alert["id"] in ids for ids in seen] == [True, False]
        assert [[e["code"] for e in answer["errors"]] for answer in answers] == [["NOT_FOUND"], []]


async def test_shortages_that_stay_open_are_told_by_location(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    cart = await shop.cart(shop.guest(), TEA=2)
    cart = (await shop.fulfil(shop.guest(), cart, "PICKUP", location="S1"))["cart"]
    assert (await shop.check_out(shop.guest(), cart))["order"]
    till = await open_till(shop)
    await till.send(till.sale(TEA=1))
    async with shop.hub.database.reading() as session:
        location_id = await session.fetchval("SELECT id FROM location WHERE code = $1", shop.code("S1"))
    subject = f"Location:{location_id}"
    await look(shop)
    assert await about(shop, subject) == []

    async def age(seconds: int) -> None:
        sql = "UPDATE shortage SET opened_at = now() - make_interval(secs => $2) WHERE location_id = $1"
        await run(shop, sql, location_id, seconds)
        await look(shop)

    for seconds in (901, 899, 902, 301):
        await age(seconds)
        assert await statuses(shop, subject) == ["OPEN"]
    await shop.receive(TEA_S1=5)
    await look(shop)
    await age(1_000)  # Settled: its age is no matter any more.

    assert await statuses(shop, subject) == ["CLOSED"]


async def test_a_feed_that_stands_still_is_told_when_it_goes_on(shop: Shop) -> None:
    async with scratch_hub(shop.hub.settings) as (_, database):

        async def watch() -> list[str]:
            async with database.transaction() as session:
                await alerts.evaluate(session, alert_sources(default_hours="09:00-21:00"), now=clock.now())
            async with database.reading() as session:
                rows = await session.fetch("SELECT * FROM alert WHERE subject = $1 ORDER BY id", signals.FEED_SUBJECT)
            return ["CLOSED" if row["closed_at"] else "OPEN" for row in rows]

        async def stand_still(seconds: float) -> None:
            async with database.transaction() as session:
                await session.run(
                    "UPDATE outbox_event SET at = clock_timestamp() - make_interval(secs => $1) WHERE position IS NULL",
                    seconds,
                )

        async with database.transaction() as session:
            await session.run(
                "INSERT INTO outbox_event (type, subject, version, data) VALUES ('product.changed', 'Variant:0', 1, '{}')"
            )
        assert await watch() == []
        for seconds in (6, 3, 1.5, 20):
            await stand_still(seconds)
            assert await watch() == ["OPEN"]
        await relay.number(database)
        assert await watch() == ["OPEN"]
        async with database.transaction() as session:
            await session.run("UPDATE alert SET calm_since = calm_since - interval '11 s'")
        assert await watch() == ["CLOSED"]
        broken = {f.invariant.name for f in await invariants.check(database) if f.rows}
        assert broken <= {"each subject's latest event has the subject's version", "the feed has no gaps"}


async def test_two_sweeps_at_once_open_one(shop: Shop) -> None:
    await open_always(shop)
    till = await open_till(shop)
    await till.send()
    await silent(shop, till, 1_000)
    database = shop.hub.database
    sources = alert_sources(default_hours=shop.hub.settings.opening_hours)

    async with database.transaction() as first:
        assert await alerts.evaluate(first, sources, now=clock.now()) >= 1
        entered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def second() -> int:
            async with database.transaction() as session:
                entered.set_result(await backend(session))
                return await alerts.evaluate(session, sources, now=clock.now())

        other = asyncio.create_task(second())
        await is_blocked(database, await entered)

    assert await other == 0
    assert await statuses(shop, terminal(till)) == ["OPEN"]


async def test_who_looks_after_an_alert_first_stays(shop: Shop) -> None:
    await open_always(shop)
    till = await open_till(shop)
    await till.send()
    await silent(shop, till, 1_000)
    await look(shop)
    (alert,) = await about(shop, terminal(till))

    app = await shop.app("app", Scope.INVENTORY)
    first = await shop.staff.do(ACKNOWLEDGE, id=alert["id"])
    second = await app.do(ACKNOWLEDGE, id=alert["id"])
    none = await app.do(ACKNOWLEDGE, id=global_id("Alert", "x"))

    assert first["alert"]["acknowledgedBy"].startswith("staff:")
    assert second == first
    assert [e["code"] for e in none["errors"]] == ["NOT_FOUND"]
    assert len(await told(shop, alert["id"])) == 1


async def test_alerts_are_followed(shop: Shop) -> None:
    await open_always(shop)
    one, two = await open_till(shop), await open_till(shop)
    await one.send()
    await two.send()
    await silent(shop, one, 1_000)
    await look(shop)
    (present,) = await about(shop, terminal(one))
    document = "subscription ($l: String) { alertsChanged(location: $l) { id status subject } }"

    async with shop.staff.subscribe(document, l=shop.code("S1")) as following:
        assert await following.next() == {"id": present["id"], "status": "OPEN", "subject": present["subject"]}
        await silent(shop, two, 1_000)
        await look(shop)
        await following.until(lambda a: a["subject"] == global_id(*terminal(two).split(":")) and a["status"] == "OPEN")
        await one.send()
        await look(shop)
        await calm(shop, 61)
        await look(shop)
        await following.until(lambda a: a["id"] == present["id"] and a["status"] == "CLOSED")


@pytest.mark.parametrize("tills", [1, 12])
async def test_a_look_takes_as_many_statements_for_many_tills_as_for_few(shop: Shop, tills: int) -> None:
    await open_always(shop)
    for _ in range(tills):
        till = await open_till(shop)
        await till.send()
        await silent(shop, till, 1_000)
    await numbered(shop.hub.database)

    async with shop.hub.database.transaction() as session:
        counted = Counted(session.driver)
        sources = alert_sources(default_hours=shop.hub.settings.opening_hours)
        found = await alerts.evaluate(counted, sources, now=clock.now())
        session.events = counted.events

    assert found >= tills
    assert counted.count <= 8
