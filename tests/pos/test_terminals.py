"""Terminals: who may send events for which store, and the identity of events by epoch, sequence and event id."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.client import Refused
from tests.support.shop import Shop
from tests.support.tills import SYNC, conflicts, key_id, now, on_hand, open_till, reasons, statuses, stored_facts
from tests.support.waiting import wait_until
from uriba.access import keys
from uriba.outbox.hints import KEYS


def batch(*facts: dict[str, Any], epoch: int = 1) -> dict[str, Any]:
    return {"sentAt": now().isoformat(), "epoch": epoch, "events": list(facts)}


async def test_only_terminals_send_events(shop: Shop) -> None:
    till = await open_till(shop)
    for caller in (shop.staff, await shop.app(), await shop.customer(), shop.guest(), shop.hub.client("uriba_x_y_z")):
        with pytest.raises(Refused) as refused:
            await caller.mutate(SYNC, i=batch(till.stock_fact("RECEIPT", TEA=1)))
        assert set(refused.value.codes) <= {"FORBIDDEN", "UNAUTHENTICATED"}
        await caller.close()


async def test_a_revoked_key_is_refused(shop: Shop) -> None:
    till = await open_till(shop)
    await till.verdicts(till.stock_fact("RECEIPT", TEA=1))
    async with shop.hub.database.transaction() as session:
        await keys.revoke(session, key_id=key_id(till))
    await shop.hub.work.hints.publish_now(KEYS)

    async def refused() -> bool:
        return "errors" in await till.client.post(SYNC, i=batch())

    await wait_until(refused)
    with pytest.raises(Refused) as found:
        await till.send(till.stock_fact("RECEIPT", TEA=1))
    assert found.value.codes == ["UNAUTHENTICATED"]
    assert await on_hand(shop) == 1


async def test_a_terminal_writes_only_its_own_store(shop: Shop) -> None:
    here, there = await open_till(shop), await open_till(shop, "S2")
    fact = here.stock_fact("RECEIPT", TEA=3)

    # The same fact of another store's till is an event of that till.
    assert (await here.verdicts(fact), await there.verdicts(fact)) == (["APPLIED"], ["APPLIED"])

    assert [await on_hand(shop, "TEA", store) for store in ("S1", "S2")] == [3, 3]
    assert await conflicts(shop, "S2") == []


async def test_epochs_are_independent_and_may_go_back(shop: Shop) -> None:
    till = await open_till(shop)
    first = [till.stock_fact("RECEIPT", TEA=1) for _ in range(3)]
    anew = [{**till.stock_fact("RECEIPT", TEA=10), "sequence": n} for n in (1, 2)]

    old = await till.send(*first[:2])
    new = await till.send(*anew, epoch=2)
    late = await till.send(first[2], epoch=1)
    far = await till.send({**till.stock_fact("RECEIPT", TEA=100), "sequence": 1}, epoch=2**31 - 1)

    assert [p["acknowledged"] for p in (old, new, late, far)] == [2, 2, 3, 1]
    assert [statuses(p) for p in (new, late, far)] == [["APPLIED"] * 2, ["APPLIED"], ["APPLIED"]]
    assert await on_hand(shop) == 123


@pytest.mark.parametrize("epoch", [0, -1])
async def test_refuses_an_epoch_below_1(shop: Shop, epoch: int) -> None:
    till = await open_till(shop)

    payload = await till.send(till.stock_fact("RECEIPT", TEA=1), epoch=epoch)

    assert ([e["code"] for e in payload["errors"]], payload["results"]) == (["INVALID"], [])
    assert await stored_facts(till) == 0


async def test_parks_another_fact_with_a_known_identity(shop: Shop) -> None:
    till = await open_till(shop)
    first = till.stock_fact("RECEIPT", TEA=5)
    await till.verdicts(first)
    same_sequence = {**till.stock_fact("RECEIPT", TEA=50), "sequence": first["sequence"]}
    same_id = {**till.stock_fact("RECEIPT", TEA=500), "eventId": first["eventId"]}
    other_content = {**first, "lines": [till.line("TEA", 6)]}
    other_time = {**first, "occurredAt": now(days=1).isoformat()}

    payload = await till.send(same_sequence, same_id, other_content, other_time, first)
    again = await till.send(same_sequence, same_id, other_content, other_time)

    assert statuses(payload) == ["PARKED"] * 4 + ["DUPLICATE"]
    assert {code for found in reasons(payload)[:4] for code, _ in found} == {"IDEMPOTENCY_KEY_REUSED"}
    assert statuses(again) == ["PARKED"] * 4
    cases = await conflicts(shop)
    assert [case["kind"] for case in cases] == ["TAMPERED"] * 4
    assert {case["event"]["eventId"] for case in cases} == {first["eventId"], same_sequence["eventId"]}
    assert await on_hand(shop) == 5


async def test_parks_the_second_of_two_facts_with_one_identity(shop: Shop) -> None:
    till = await open_till(shop)
    first = till.stock_fact("RECEIPT", TEA=5)
    other = {**first, "lines": [till.line("TEA", 6)]}

    assert await till.verdicts(first, other, first, other) == ["APPLIED", "PARKED", "DUPLICATE", "PARKED"]

    assert (await on_hand(shop), len(await conflicts(shop))) == (5, 1)


async def test_an_event_id_is_unique_in_all_epochs(shop: Shop) -> None:
    till = await open_till(shop)
    fact = till.stock_fact("RECEIPT", TEA=5)
    await till.verdicts(fact)

    payload = await till.send({**fact, "lines": [till.line("TEA", 7)], "sequence": 1}, epoch=2)

    assert statuses(payload) == ["PARKED"]
    assert (await on_hand(shop), payload["acknowledged"]) == (5, 1)


async def test_an_empty_batch_returns_what_is_missing(shop: Shop) -> None:
    till = await open_till(shop)
    facts = [till.stock_fact("RECEIPT", TEA=1) for _ in range(4)]

    nothing = await till.send()
    await till.verdicts(facts[3], facts[1])
    asked = await till.send()

    assert (nothing["acknowledged"], nothing["missing"], nothing["errors"]) == (0, [], [])
    assert (asked["acknowledged"], asked["missing"]) == (0, [{"from": 1, "to": 1}, {"from": 3, "to": 3}])


async def test_the_highest_sequence_is_answered_quickly(shop: Shop) -> None:
    till = await open_till(shop)

    payload = await till.send({**till.stock_fact("RECEIPT", TEA=1), "sequence": 2**31 - 1})

    assert (statuses(payload), payload["acknowledged"]) == (["APPLIED"], 0)
    assert payload["missing"] == [{"from": 1, "to": 2**31 - 2}]


async def test_parked_facts_are_acknowledged(shop: Shop) -> None:
    till = await open_till(shop)
    parked = till.fact("RECEIPT", [{"sku": "no-such-sku", "quantity": 1}])

    payload = await till.send(parked, till.stock_fact("RECEIPT", TEA=1))

    assert (payload["acknowledged"], payload["missing"]) == (2, [])


async def test_concurrent_batches_of_one_till_are_processed_in_turn(shop: Shop) -> None:
    till = await open_till(shop)
    facts = [till.stock_fact("RECEIPT", TEA=1) for _ in range(60)]
    batches = [facts[n : n + 20] for n in range(0, 50, 5)]

    payloads = await asyncio.gather(*(till.send(*part) for part in batches))

    verdicts = [status for payload in payloads for status in statuses(payload)]
    assert (verdicts.count("APPLIED"), set(verdicts)) == (60, {"APPLIED", "DUPLICATE"})
    assert max(payload["acknowledged"] for payload in payloads) == 60
    assert await on_hand(shop) == 60


async def test_a_sync_with_new_events_emits_an_event(shop: Shop) -> None:
    till = await open_till(shop)
    fact = till.stock_fact("RECEIPT", TEA=1)

    await till.verdicts(fact, till.stock_fact("RECEIPT", TEA=0))
    await till.verdicts(fact)

    async with shop.hub.database.reading() as session:
        events = await session.fetch(
            "SELECT type, version, data FROM outbox_event WHERE subject = 'Terminal:' || $1::text", key_id(till)
        )
    assert [(event["type"], event["version"]) for event in events] == [("terminal.synced", 1)]
    assert {name: events[0]["data"][name] for name in ("applied", "parked", "acknowledged")} == {
        "applied": 1,
        "parked": 1,
        "acknowledged": 2,
    }
