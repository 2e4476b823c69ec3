"""A till with a running hub: stock levels end correctly despite faults between the two."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from tests.support.shop import ERRORS, Shop
from tests.support.waiting import wait_until
from uriba.access import keys
from uriba.outbox.hints import KEYS
from uriba.till import synchronization, till_folder
from uriba.till.errors import KeyRejected, TillError
from uriba.till.journal import JournalEntry
from uriba.till.protocol import EventLine, EventType, Tender, TillEvent, total_of
from uriba.till.synchronization import SendOptions, SyncReport
from uriba.till.till_folder import Till

EVENTS = 300
ON_HAND_SIGNS = {
    EventType.SALE: -1,
    EventType.RETURN: 1,
    EventType.RECEIPT: 1,
    EventType.ADJUSTMENT: 1,
    EventType.DAMAGE: 0,
}


async def open_till(shop: Shop, folder: Path, *, key: str | None = None) -> str:
    """Open a till of a new terminal at S1, pull, and return the terminal's key."""
    key = key or (await shop.terminal("S1")).key
    assert key is not None

    def work() -> None:
        till_folder.create_till(folder, url=shop.hub.url, key=key)
        with till_folder.open_till(folder) as till:
            synchronization.pull(till, till.hub_client())

    await asyncio.to_thread(work)
    return key


async def sync(folder: Path, options: SendOptions = SendOptions()) -> SyncReport:
    def work() -> SyncReport:
        with till_folder.open_till(folder) as till:
            return synchronization.sync(till, till.hub_client(), options)

    return await asyncio.to_thread(work)


def record_random_events(till: Till, shop: Shop, random: Random) -> dict[str, int]:
    """Record many events of all types, and return the on hand that they should end in."""
    expected = {shop.sku("TEA"): 0, shop.sku("POT"): 0}
    for _ in range(EVENTS):
        sku, units = random.choice(list(expected)), random.randint(1, 9)
        event_type = random.choice([*[EventType.SALE] * 6, *EventType])
        if event_type is EventType.COUNT:
            units = max(0, expected[sku] + random.randint(-5, 5))
            expected[sku] = units
        elif event_type is EventType.ADJUSTMENT:
            units *= random.choice([1, -1])
        expected[sku] += ON_HAND_SIGNS.get(event_type, 0) * units
        record(till, event_type, sku, units)
    return expected


def record(till: Till, event_type: EventType, sku: str, units: int) -> TillEvent:
    priced = event_type in (EventType.SALE, EventType.RETURN)
    lines = (EventLine(sku, units, till.catalog.find(sku, till.now()).price if priced else None),)
    return till.record(event_type, lines, tenders=(Tender("CASH", total_of(lines)),) if priced else None)


@pytest.mark.parametrize(
    "options",
    [
        SendOptions(),
        SendOptions(duplicate=0.3, shuffle=True, batch_size=17, seed=1),
        SendOptions(duplicate=1, shuffle=True, seed=2),
    ],
    ids=["in order", "small batches", "everything twice"],
)
async def test_levels_end_correctly_despite_duplicates_and_reordering(
    shop: Shop, tmp_path: Path, options: SendOptions
) -> None:
    await open_till(shop, tmp_path)
    with till_folder.open_till(tmp_path) as till:
        expected = record_random_events(till, shop, Random(4))

    report = await sync(tmp_path, options)

    for name in ("TEA", "POT"):
        assert (await shop.stock_level(name, "S1"))["onHand"] == expected[shop.sku(name)]
    assert report.statuses["APPLIED"] == EVENTS
    journal = till_folder.read_till(tmp_path).journal
    assert (journal.pending, journal.parked) == ([], [])
    assert journal.progress[journal.epoch].acknowledged == EVENTS
    assert journal.progress[journal.epoch].missing == []


async def test_setting_the_clock_right_does_not_change_the_effect_of_events(shop: Shop, tmp_path: Path) -> None:
    """A sale, a count and a sale a minute apart by a clock 40 minutes ahead; the clock is set right; another sale."""
    await open_till(shop, tmp_path)
    sku, offset_s = shop.sku("TEA"), 2400.0
    with till_folder.open_till(tmp_path) as till:
        till.change_settings(clock_offset_s=offset_s)
        for minutes, event_type, units in ((3, EventType.SALE, 3), (2, EventType.COUNT, 50), (1, EventType.SALE, 1)):
            occurred_at = till.now() - timedelta(minutes=minutes)
            event = till.record(event_type, (EventLine(sku, units),))
            till.journal.append(JournalEntry(till.journal.epoch, offset_s, replace(event, occurred_at=occurred_at)))
        till.change_settings(clock_offset_s=0)
        record(till, EventType.SALE, sku, 2)

    await sync(tmp_path, SendOptions(shuffle=True, seed=3))

    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 47


async def test_a_till_killed_while_it_syncs_loses_and_duplicates_nothing(shop: Shop, tmp_path: Path) -> None:
    await shop.receive(TEA_S1=100_000, POT_S1=100_000)
    await open_till(shop, tmp_path)
    for _ in range(2):
        arguments = ["run", "--every", "0", "--sync-every", "2", "--folder", str(tmp_path)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-u", "-m", "uriba.till", *arguments, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        for _ in range(20):
            assert await process.stdout.readline()
        process.kill()
        await process.wait()

    await sync(tmp_path, SendOptions(duplicate=0.5, shuffle=True, seed=5))

    moved: Counter[str] = Counter()
    for entry in till_folder.read_till(tmp_path).journal.entries.values():
        for line in entry.event.lines:
            moved[line.sku] += ON_HAND_SIGNS[EventType(entry.event.type)] * line.quantity
    for name in ("TEA", "POT"):
        assert (await shop.stock_level(name, "S1"))["onHand"] == 100_000 + moved[shop.sku(name)]
    assert sum(moved.values()) < -20


async def test_a_till_without_its_journal_starts_a_new_epoch(shop: Shop, tmp_path: Path) -> None:
    await shop.receive(TEA_S1=100)
    key = await open_till(shop, tmp_path)
    with till_folder.open_till(tmp_path) as till:
        old = till.journal.epoch
        record(till, EventType.SALE, shop.sku("TEA"), 3)
    await sync(tmp_path)
    (tmp_path / "journal").unlink()

    await open_till(shop, tmp_path, key=key)
    with till_folder.open_till(tmp_path) as till:
        record(till, EventType.SALE, shop.sku("TEA"), 4)
    report = await sync(tmp_path)

    journal = till_folder.read_till(tmp_path).journal
    assert journal.epoch > old
    assert report.statuses == {"APPLIED": 1}
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 93


async def test_an_epoch_that_the_hub_knows_is_not_used_again(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of the new till may show the same time as the old till's did."""
    key = await open_till(shop, tmp_path / "old")
    with till_folder.open_till(tmp_path / "old") as till:
        record(till, EventType.RECEIPT, shop.sku("TEA"), 3)
        epoch = till.journal.epoch
    await sync(tmp_path / "old")
    monkeypatch.setattr(till_folder.clock, "now", lambda: till_folder.EPOCHS_START_AT + timedelta(seconds=epoch))

    await open_till(shop, tmp_path / "new", key=key)

    assert till_folder.read_till(tmp_path / "new").journal.epoch == epoch + 1


async def test_an_event_stays_parked_until_staff_apply_it(shop: Shop, tmp_path: Path) -> None:
    await open_till(shop, tmp_path)
    sku = shop.sku("NEW")
    with till_folder.open_till(tmp_path) as till:
        till.record(EventType.RECEIPT, (EventLine(sku, 6),))
    await sync(tmp_path)
    ((_, verdict),) = till_folder.read_till(tmp_path).journal.parked
    assert [problem.code for problem in verdict.errors] == ["NOT_FOUND"]

    await shop.staff.mutate(
        f"mutation ($p: [ProductInput!]!) {{ productsUpsert(products: $p) {{ count {ERRORS} }} }}",
        p=[{"handle": shop.code("new"), "name": "New", "variants": [{"sku": sku, "name": "New"}]}],
    )
    conflicts = await shop.staff.execute(
        "query ($l: String) { conflicts(location: $l, status: OPEN) { edges { node { id } } } }", l=shop.code("S1")
    )
    (edge,) = conflicts["conflicts"]["edges"]
    resolved = await shop.staff.mutate(
        f"mutation ($i: ConflictResolveInput!) {{ conflictResolve(input: $i) {{ conflict {{ status }} {ERRORS} }} }}",
        i={"id": edge["node"]["id"], "action": "APPLY"},
    )
    assert resolved["errors"] == []
    await sync(tmp_path)

    assert till_folder.read_till(tmp_path).journal.parked == []
    assert (await shop.stock_level("NEW", "S1"))["onHand"] == 6


async def test_an_event_that_the_hub_cannot_parse_is_unsendable_and_the_others_are_sent(
    shop: Shop, tmp_path: Path
) -> None:
    await open_till(shop, tmp_path)
    with till_folder.open_till(tmp_path) as till:
        record(till, EventType.RECEIPT, shop.sku("TEA"), 3)
        malformed = till.record("GIFT", (EventLine(shop.sku("TEA"), 1),))  # type: ignore[arg-type]
        record(till, EventType.RECEIPT, shop.sku("TEA"), 4)

    report = await sync(tmp_path)

    assert (report.statuses, report.unsendable) == ({"APPLIED": 2}, 1)
    journal = till_folder.read_till(tmp_path).journal
    assert [sequence for _, sequence in journal.unsendable] == [malformed.sequence]
    assert "GIFT" in next(iter(journal.unsendable.values())).reason
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 7


async def test_with_a_revoked_key_the_events_stay_pending(shop: Shop, tmp_path: Path) -> None:
    key = await open_till(shop, tmp_path)
    with till_folder.open_till(tmp_path) as till:
        record(till, EventType.RECEIPT, shop.sku("TEA"), 3)
    async with shop.hub.database.transaction() as session:
        await keys.revoke(session, key_id=key.split("_")[2])
    await shop.hub.work.hints.publish_now(KEYS)

    with pytest.raises(KeyRejected, match="rejects this till's key"):
        await sync(tmp_path)

    assert len(till_folder.read_till(tmp_path).journal.pending) == 1
    with pytest.raises(TillError, match="another key is another terminal"):
        await open_till(shop, tmp_path)


async def test_a_pull_updates_the_local_catalog(shop: Shop, tmp_path: Path) -> None:
    await open_till(shop, tmp_path)
    await shop.receive(TEA_S1=12)

    def work() -> int:
        with till_folder.open_till(tmp_path) as till:
            synchronization.pull(till, till.hub_client())
            return till.catalog.find(shop.sku("TEA"), till.now()).on_hand

    async def is_pulled() -> bool:
        return await asyncio.to_thread(work) == 12

    await wait_until(is_pulled)
