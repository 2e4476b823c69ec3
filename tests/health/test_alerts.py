"""Alerts: each opens once, does not flap, closes, and has its events. The tests change times in the tables."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.alert_sweeps import (
    ACKNOWLEDGE,
    ALERTS,
    CountingSession,
    alert_events,
    alert_statuses,
    alerts_about,
    execute_sql,
    run_alert_sweeps,
    set_opening_hours,
)
from tests.support.endpoint_calls import change_endpoint, temporary_endpoint
from tests.support.scratch_database import open_scratch_database
from tests.support.shop import Shop
from tests.support.tills import Till, open_till
from tests.support.waiting import backend_pid, wait_for_positions, wait_until, wait_until_blocked
from tests.support.webhook_receiver import webhook_receiver
from uriba import invariants
from uriba.alerts import alerts, signals
from uriba.core import clock
from uriba.core.actor import Scope
from uriba.core.ids import global_id, local_id
from uriba.db.statements import statement
from uriba.health.alert_sources import alert_sources
from uriba.outbox import relay

_ALERTS_ABOUT = statement("SELECT * FROM alert WHERE subject = :subject ORDER BY id")
_SET_AGE = statement(
    "UPDATE outbox_event SET at = clock_timestamp() - make_interval(secs => :seconds) WHERE position IS NULL"
)


def terminal_subject(till: Till) -> str:
    assert till.client.key
    return f"Terminal:{till.client.key.split('_')[2]}"


async def set_last_sync(shop: Shop, till: Till, seconds: int) -> None:
    """Have a till synced so many seconds ago."""
    await execute_sql(
        shop,
        "UPDATE pos_terminal SET synced_at = now() - make_interval(secs => :seconds) WHERE key_id = :key_id",
        key_id=terminal_subject(till).removeprefix("Terminal:"),
        seconds=seconds,
    )


async def pass_calm_time(shop: Shop, seconds: int) -> None:
    """Have all good values been good for so much longer."""
    await execute_sql(
        shop, "UPDATE alert SET calm_since = calm_since - make_interval(secs => :seconds)", seconds=seconds
    )


async def test_a_silent_till_opens_one_alert_that_closes_after_it_syncs(shop: Shop) -> None:
    await set_opening_hours(shop)
    till = await open_till(shop)
    await till.send()
    subject = terminal_subject(till)

    await set_last_sync(shop, till, 700)
    await run_alert_sweeps(shop)
    assert await alerts_about(shop, subject) == []
    for seconds in (905, 700, 905, 2_000, 301):
        await set_last_sync(shop, till, seconds)
        await run_alert_sweeps(shop)
        assert await alert_statuses(shop, subject) == ["OPEN"]
    (alert,) = await alerts_about(shop, subject, "TERMINAL_SILENT")
    assert (alert["kind"], alert["threshold"], alert["location"]) == ("TERMINAL_SILENT", 900, {"code": shop.code("S1")})
    assert alert["value"] >= 905
    await till.send()
    await run_alert_sweeps(shop)
    assert await alert_statuses(shop, subject) == ["OPEN"]  # It may become silent again at once.
    await pass_calm_time(shop, 61)
    await run_alert_sweeps(shop)

    assert await alert_statuses(shop, subject) == ["CLOSED"]
    content = {
        "kind": "TERMINAL_SILENT",
        "about": alert["subject"],
        "locationCode": shop.code("S1"),
        "value": alert["value"],
        "threshold": 900,
    }
    assert await alert_events(shop, alert["id"]) == [("alert.opened", 1, content), ("alert.closed", 2, content)]


async def test_a_till_is_not_missed_while_its_store_is_closed(shop: Shop) -> None:
    till = await open_till(shop)
    await till.send()
    await set_last_sync(shop, till, 2_000)
    now = clock.now()
    later = [(now.hour + n) % 24 for n in (11, 12)]
    await execute_sql(
        shop,
        "UPDATE location SET opening_hours = :hours, timezone = 'UTC' WHERE code = :code",
        code=shop.code("S1"),
        hours=f"{later[0]:02}:00-{later[1]:02}:00",
    )

    await run_alert_sweeps(shop)

    assert await alerts_about(shop, terminal_subject(till)) == []


async def test_the_alert_of_a_revoked_till_closes(shop: Shop) -> None:
    await set_opening_hours(shop)
    till = await open_till(shop)
    await till.send()
    await set_last_sync(shop, till, 1_000)
    await run_alert_sweeps(shop)
    assert await alert_statuses(shop, terminal_subject(till)) == ["OPEN"]

    await execute_sql(
        shop,
        "UPDATE access_key SET revoked_at = now() WHERE id = :key_id",
        key_id=terminal_subject(till).removeprefix("Terminal:"),
    )
    await run_alert_sweeps(shop)
    await pass_calm_time(shop, 61)
    await run_alert_sweeps(shop)

    assert await alert_statuses(shop, terminal_subject(till)) == ["CLOSED"]


async def test_an_endpoint_paused_after_failures_opens_an_alert_and_one_paused_by_a_person_does_not(shop: Shop) -> None:
    async with webhook_receiver() as receiver:
        receiver.respond = lambda _: asyncio.sleep(0, 410)
        async with temporary_endpoint(shop.staff, receiver.url, types=["endpoint.test"]) as failing:
            async with temporary_endpoint(shop.staff, receiver.url, types=["cart.merged"]) as paused_by_request:
                await change_endpoint(shop.staff, "endpointPause", id=paused_by_request["id"])
                await change_endpoint(shop.staff, "endpointTest", id=failing["id"])

                async def paused() -> bool:
                    rows = (await shop.staff.execute("{ endpoints { id status } }"))["endpoints"]
                    return {"id": failing["id"], "status": "PAUSED"} in rows

                await wait_until(paused, within_s=30)
                await run_alert_sweeps(shop)
                await run_alert_sweeps(shop)
                given_up, paused_by_hand = (
                    f"Endpoint:{local_id(e['id'], 'Endpoint')}" for e in (failing, paused_by_request)
                )
                assert await alert_statuses(shop, given_up) == ["OPEN"]
                assert await alerts_about(shop, paused_by_hand) == []
                receiver.respond = None
                await change_endpoint(shop.staff, "endpointResume", id=failing["id"])
                await run_alert_sweeps(shop)
                await pass_calm_time(shop, 61)
                await run_alert_sweeps(shop)
                assert await alert_statuses(shop, given_up) == ["CLOSED"]


async def test_an_app_does_not_see_alerts_about_another_channels_endpoints(shop: Shop) -> None:
    own, others = await shop.app("app", Scope.INVENTORY), await shop.app("web", Scope.INVENTORY)
    async with temporary_endpoint(own, "http://127.0.0.1:9/", types=["cart.merged"]) as made:
        await execute_sql(
            shop,
            "UPDATE endpoint SET status = 'PAUSED', paused_at = now(), paused_reason = 'GONE' WHERE id = :endpoint_id",
            endpoint_id=local_id(made["id"], "Endpoint"),
        )
        await run_alert_sweeps(shop)
        (alert,) = await alerts_about(shop, f"Endpoint:{local_id(made['id'], 'Endpoint')}")

        seen = [
            [e["node"]["id"] for e in (await client.execute(ALERTS, k="ENDPOINT_PAUSED"))["alerts"]["edges"]]
            for client in (own, others)
        ]
        answers = [await client.mutate(ACKNOWLEDGE, id=alert["id"]) for client in (others, own)]

        assert [alert["id"] in ids for ids in seen] == [True, False]
        assert [[e["code"] for e in answer["errors"]] for answer in answers] == [["NOT_FOUND"], []]


async def test_shortages_that_stay_open_open_an_alert_about_their_location(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    cart = await shop.create_cart(shop.guest(), TEA=2)
    cart = (await shop.set_fulfillment(shop.guest(), cart, "PICKUP", location="S1"))["cart"]
    assert (await shop.check_out(shop.guest(), cart))["order"]
    till = await open_till(shop)
    await till.send(till.sale(TEA=1))
    async with shop.hub.database.reading() as session:
        location_id = await session.fetchval(
            statement("SELECT id FROM location WHERE code = :code"), code=shop.code("S1")
        )
    subject = f"Location:{location_id}"
    await run_alert_sweeps(shop)
    assert await alerts_about(shop, subject) == []

    async def age(seconds: int) -> None:
        sql = "UPDATE shortage SET opened_at = now() - make_interval(secs => :seconds) WHERE location_id = :location_id"
        await execute_sql(shop, sql, location_id=location_id, seconds=seconds)
        await run_alert_sweeps(shop)

    for seconds in (901, 899, 902, 301):
        await age(seconds)
        assert await alert_statuses(shop, subject) == ["OPEN"]
    await shop.receive(TEA_S1=5)
    await run_alert_sweeps(shop)
    await age(1_000)  # Settled: its age does not matter any more.

    assert await alert_statuses(shop, subject) == ["CLOSED"]


async def test_a_feed_lag_opens_one_alert_that_closes_after_the_relay_went_on(shop: Shop) -> None:
    async with open_scratch_database(shop.hub.settings) as (_, database):

        async def sweep() -> list[str]:
            async with database.transaction() as session:
                await alerts.evaluate(session, alert_sources(default_hours="09:00-21:00"), now=clock.now())
            async with database.reading() as session:
                rows = await session.fetch(_ALERTS_ABOUT, subject=signals.FEED_SUBJECT)
            return ["CLOSED" if row["closed_at"] else "OPEN" for row in rows]

        async def set_age_of_waiting_events(seconds: float) -> None:
            async with database.transaction() as session:
                await session.run(
                    _SET_AGE,
                    seconds=seconds,
                )

        async with database.transaction() as session:
            await session.run(
                "INSERT INTO outbox_event (type, subject, version, data) VALUES ('product.changed', 'Variant:0', 1, '{}')"
            )
        assert await sweep() == []
        for seconds in (6, 3, 1.5, 20):
            await set_age_of_waiting_events(seconds)
            assert await sweep() == ["OPEN"]
        await relay.number(database)
        assert await sweep() == ["OPEN"]
        async with database.transaction() as session:
            await session.run("UPDATE alert SET calm_since = calm_since - interval '11 s'")
        assert await sweep() == ["CLOSED"]
        broken = {f.invariant.name for f in await invariants.check(database) if f.rows}
        assert broken <= {"each subject's latest event has the subject's version", "the feed has no gaps"}


async def test_two_sweeps_at_once_open_one_alert(shop: Shop) -> None:
    await set_opening_hours(shop)
    till = await open_till(shop)
    await till.send()
    await set_last_sync(shop, till, 1_000)
    database = shop.hub.database
    sources = alert_sources(default_hours=shop.hub.settings.opening_hours)

    async with database.transaction() as first:
        assert await alerts.evaluate(first, sources, now=clock.now()) >= 1
        entered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def second() -> int:
            async with database.transaction() as session:
                entered.set_result(await backend_pid(session))
                return await alerts.evaluate(session, sources, now=clock.now())

        other = asyncio.create_task(second())
        await wait_until_blocked(database, await entered)

    assert await other == 0
    assert await alert_statuses(shop, terminal_subject(till)) == ["OPEN"]


async def test_the_first_acknowledgement_stays(shop: Shop) -> None:
    await set_opening_hours(shop)
    till = await open_till(shop)
    await till.send()
    await set_last_sync(shop, till, 1_000)
    await run_alert_sweeps(shop)
    (alert,) = await alerts_about(shop, terminal_subject(till))

    app = await shop.app("app", Scope.INVENTORY)
    first = await shop.staff.mutate(ACKNOWLEDGE, id=alert["id"])
    second = await app.mutate(ACKNOWLEDGE, id=alert["id"])
    none = await app.mutate(ACKNOWLEDGE, id=global_id("Alert", "x"))

    assert first["alert"]["acknowledgedBy"].startswith("staff:")
    assert second == first
    assert [e["code"] for e in none["errors"]] == ["NOT_FOUND"]
    assert len(await alert_events(shop, alert["id"])) == 1


async def test_a_subscription_has_the_open_alerts_and_then_each_change(shop: Shop) -> None:
    await set_opening_hours(shop)
    one, two = await open_till(shop), await open_till(shop)
    await one.send()
    await two.send()
    await set_last_sync(shop, one, 1_000)
    await run_alert_sweeps(shop)
    (present,) = await alerts_about(shop, terminal_subject(one))
    document = "subscription ($l: String) { alertsChanged(location: $l) { id status subject } }"

    async with shop.staff.subscribe(document, l=shop.code("S1")) as subscription:
        assert await subscription.next() == {"id": present["id"], "status": "OPEN", "subject": present["subject"]}
        await set_last_sync(shop, two, 1_000)
        await run_alert_sweeps(shop)
        await subscription.until(
            lambda a: a["subject"] == global_id(*terminal_subject(two).split(":")) and a["status"] == "OPEN"
        )
        await one.send()
        await run_alert_sweeps(shop)
        await pass_calm_time(shop, 61)
        await run_alert_sweeps(shop)
        await subscription.until(lambda a: a["id"] == present["id"] and a["status"] == "CLOSED")


@pytest.mark.parametrize("tills", [1, 12])
async def test_a_sweep_takes_as_many_statements_for_many_tills_as_for_few(shop: Shop, tills: int) -> None:
    await set_opening_hours(shop)
    for _ in range(tills):
        till = await open_till(shop)
        await till.send()
        await set_last_sync(shop, till, 1_000)
    await wait_for_positions(shop.hub.database)

    async with shop.hub.database.transaction() as session:
        counted = CountingSession(session.driver)
        sources = alert_sources(default_hours=shop.hub.settings.opening_hours)
        found = await alerts.evaluate(counted, sources, now=clock.now())
        session.events = counted.events

    assert found >= tills
    assert counted.count <= 8
