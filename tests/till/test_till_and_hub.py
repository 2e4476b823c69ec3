"""A till and the running hub: whatever happens on the way, levels end as on the store's shelf."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from patience import eventually
from shop import ERRORS, Shop
from uriba.access import keys
from uriba.outbox.hints import KEYS
from uriba.till import folder as folders
from uriba.till import syncing
from uriba.till.errors import KeyRefused, TillError
from uriba.till.events import Event, Kind, Line, Tender, amount_of
from uriba.till.folder import Till
from uriba.till.journal import Entry
from uriba.till.syncing import Disturbance, Report

FACTS = 300
SIGNS = {Kind.SALE: -1, Kind.RETURN: 1, Kind.RECEIPT: 1, Kind.ADJUSTMENT: 1, Kind.DAMAGE: 0}


async def open_till(shop: Shop, folder: Path, *, key: str | None = None) -> str:
    """A new terminal's till at S1, which has pulled; its key."""
    key = key or (await shop.terminal("S1")).key
    assert key is not None

    def work() -> None:
        folders.create(folder, url=shop.hub.url, key=key)
        with folders.opened(folder) as till:
            syncing.pull(till, till.hub())

    await asyncio.to_thread(work)
    return key


async def sync(folder: Path, disturbance: Disturbance = Disturbance()) -> Report:
    def work() -> Report:
        with folders.opened(folder) as till:
            return syncing.sync(till, till.hub(), disturbance)

    return await asyncio.to_thread(work)


def trade(till: Till, shop: Shop, dice: Random) -> dict[str, int]:
    """Many facts of every kind; on hand at the end, as on the shelf."""
    shelf = {shop.sku("TEA"): 0, shop.sku("POT"): 0}
    for _ in range(FACTS):
        sku, units = dice.choice(list(shelf)), dice.randint(1, 9)
        kind = dice.choice([*[Kind.SALE] * 6, *Kind])
        if kind is Kind.COUNT:
            units = max(0, shelf[sku] + dice.randint(-5, 5))
            shelf[sku] = units
        elif kind is Kind.ADJUSTMENT:
            units *= dice.choice([1, -1])
        shelf[sku] += SIGNS.get(kind, 0) * units
        ring(till, kind, sku, units)
    return shelf


def ring(till: Till, kind: Kind, sku: str, units: int) -> Event:
    priced = kind in (Kind.SALE, Kind.RETURN)
    lines = (Line(sku, units, till.shelf.find(sku, till.now()).price if priced else None),)
    return till.record(kind, lines, tenders=(Tender("CASH", amount_of(lines)),) if priced else None)


@pytest.mark.parametrize(
    "disturbance",
    [
        Disturbance(),
        Disturbance(duplicate=0.3, shuffle=True, batch_size=17, seed=1),
        Disturbance(duplicate=1, shuffle=True, seed=2),
    ],
    ids=["in order", "small batches", "everything twice"],
)
async def test_levels_end_as_on_the_shelf(shop: Shop, tmp_path: Path, disturbance: Disturbance) -> None:
    await open_till(shop, tmp_path)
    with folders.opened(tmp_path) as till:
        shelf = trade(till, shop, Random(4))

    report = await sync(tmp_path, disturbance)

    for name in ("TEA", "POT"):
        assert (await shop.level(name, "S1"))["onHand"] == shelf[shop.sku(name)]
    assert report.statuses["APPLIED"] == FACTS
    journal = folders.seen(tmp_path).journal
    assert (journal.pending, journal.parked) == ([], [])
    assert journal.heard[journal.epoch].acknowledged == FACTS
    assert journal.heard[journal.epoch].missing == []


async def test_a_clock_set_right_in_between_moves_no_fact(shop: Shop, tmp_path: Path) -> None:
    """A sale, a count and a sale a minute apart, by a clock 40 minutes ahead; it is set right; another sale."""
    await open_till(shop, tmp_path)
    sku, ahead_s = shop.sku("TEA"), 2400.0
    with folders.opened(tmp_path) as till:
        till.change(clock_s=ahead_s)
        for minutes, kind, units in ((3, Kind.SALE, 3), (2, Kind.COUNT, 50), (1, Kind.SALE, 1)):
            happened = till.now() - timedelta(minutes=minutes)
            event = till.record(kind, (Line(sku, units),))
            till.journal.write(Entry(till.journal.epoch, ahead_s, replace(event, occurred_at=happened)))
        till.change(clock_s=0)
        ring(till, Kind.SALE, sku, 2)

    await sync(tmp_path, Disturbance(shuffle=True, seed=3))

    assert (await shop.level("TEA", "S1"))["onHand"] == 47


async def test_a_till_that_is_killed_while_it_syncs_loses_and_doubles_nothing(shop: Shop, tmp_path: Path) -> None:
    await shop.receive(TEA_S1=100_000, POT_S1=100_000)
    await open_till(shop, tmp_path)
    for _ in range(2):
        arguments = ["run", "--every", "0", "--sync-every", "2", "--folder", str(tmp_path)]
        selling = await asyncio.create_subprocess_exec(
            sys.executable, "-u", "-m", "uriba.till", *arguments, stdout=asyncio.subprocess.PIPE
        )
        assert selling.stdout is not None
        for _ in range(20):
            assert await selling.stdout.readline()
        selling.kill()
        await selling.wait()

    await sync(tmp_path, Disturbance(duplicate=0.5, shuffle=True, seed=5))

    moved: Counter[str] = Counter()
    for entry in folders.seen(tmp_path).journal.entries.values():
        for line in entry.event.lines:
            moved[line.sku] += SIGNS[Kind(entry.event.type)] * line.quantity
    for name in ("TEA", "POT"):
        assert (await shop.level(name, "S1"))["onHand"] == 100_000 + moved[shop.sku(name)]
    assert sum(moved.values()) < -20


async def test_a_till_without_its_journal_begins_a_new_epoch(shop: Shop, tmp_path: Path) -> None:
    await shop.receive(TEA_S1=100)
    key = await open_till(shop, tmp_path)
    with folders.opened(tmp_path) as till:
        old = till.journal.epoch
        ring(till, Kind.SALE, shop.sku("TEA"), 3)
    await sync(tmp_path)
    (tmp_path / "journal").unlink()

    await open_till(shop, tmp_path, key=key)
    with folders.opened(tmp_path) as till:
        ring(till, Kind.SALE, shop.sku("TEA"), 4)
    report = await sync(tmp_path)

    journal = folders.seen(tmp_path).journal
    assert journal.epoch > old
    assert report.statuses == {"APPLIED": 1}
    assert (await shop.level("TEA", "S1"))["onHand"] == 93


async def test_an_epoch_that_the_hub_knows_is_not_begun_again(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new till's clock may stand where the old one's stood."""
    key = await open_till(shop, tmp_path / "old")
    with folders.opened(tmp_path / "old") as till:
        ring(till, Kind.RECEIPT, shop.sku("TEA"), 3)
        epoch = till.journal.epoch
    await sync(tmp_path / "old")
    monkeypatch.setattr(folders.clock, "now", lambda: folders.EPOCHS_BEGIN + timedelta(seconds=epoch))

    await open_till(shop, tmp_path / "new", key=key)

    assert folders.seen(tmp_path / "new").journal.epoch == epoch + 1


async def test_a_parked_event_is_shown_until_staff_repair_it(shop: Shop, tmp_path: Path) -> None:
    await open_till(shop, tmp_path)
    sku = shop.sku("NEW")
    with folders.opened(tmp_path) as till:
        till.record(Kind.RECEIPT, (Line(sku, 6),))
    await sync(tmp_path)
    ((_, verdict),) = folders.seen(tmp_path).journal.parked
    assert [problem.code for problem in verdict.errors] == ["NOT_FOUND"]

    await shop.staff.do(
        f"mutation ($p: [ProductInput!]!) {{ productsUpsert(products: $p) {{ count {ERRORS} }} }}",
        p=[{"handle": shop.code("new"), "name": "New", "variants": [{"sku": sku, "name": "New"}]}],
    )
    conflicts = await shop.staff.run(
        "query ($l: String) { conflicts(location: $l, status: OPEN) { edges { node { id } } } }", l=shop.code("S1")
    )
    (edge,) = conflicts["conflicts"]["edges"]
    resolved = await shop.staff.do(
        f"mutation ($i: ConflictResolveInput!) {{ conflictResolve(input: $i) {{ conflict {{ status }} {ERRORS} }} }}",
        i={"id": edge["node"]["id"], "action": "APPLY"},
    )
    assert resolved["errors"] == []
    await sync(tmp_path)

    assert folders.seen(tmp_path).journal.parked == []
    assert (await shop.level("NEW", "S1"))["onHand"] == 6


async def test_what_no_hub_can_read_is_set_aside_and_the_rest_is_sent(shop: Shop, tmp_path: Path) -> None:
    await open_till(shop, tmp_path)
    with folders.opened(tmp_path) as till:
        ring(till, Kind.RECEIPT, shop.sku("TEA"), 3)
        bad = till.record("GIFT", (Line(shop.sku("TEA"), 1),))  # type: ignore[arg-type]
        ring(till, Kind.RECEIPT, shop.sku("TEA"), 4)

    report = await sync(tmp_path)

    assert (report.statuses, report.unsendable) == ({"APPLIED": 2}, 1)
    journal = folders.seen(tmp_path).journal
    assert [place[1] for place in journal.unsendable] == [bad.sequence]
    assert "GIFT" in next(iter(journal.unsendable.values())).reason
    assert (await shop.level("TEA", "S1"))["onHand"] == 7


async def test_a_revoked_key_keeps_its_events_and_says_so(shop: Shop, tmp_path: Path) -> None:
    key = await open_till(shop, tmp_path)
    with folders.opened(tmp_path) as till:
        ring(till, Kind.RECEIPT, shop.sku("TEA"), 3)
    async with shop.hub.database.transaction() as session:
        await keys.revoke(session, key_id=key.split("_")[2])
    await shop.hub.work.hints.say_now(KEYS)

    with pytest.raises(KeyRefused, match="refuses this till's key"):
        await sync(tmp_path)

    assert len(folders.seen(tmp_path).journal.pending) == 1
    with pytest.raises(TillError, match="another key is another terminal"):
        await open_till(shop, tmp_path)


async def test_the_shelf_follows_the_hub(shop: Shop, tmp_path: Path) -> None:
    await open_till(shop, tmp_path)
    await shop.receive(TEA_S1=12)

    def work() -> int:
        with folders.opened(tmp_path) as till:
            syncing.pull(till, till.hub())
            return till.shelf.find(shop.sku("TEA"), till.now()).on_hand

    async def look() -> bool:
        return await asyncio.to_thread(work) == 12

    await eventually(look)
