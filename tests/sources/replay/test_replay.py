"""Some days of some stores, sold again through posSync by an API of its own; then the hub's books are the source's."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from scratch import scratch_hub
from uriba import invariants, supervisor
from uriba.access import keys
from uriba.sources.loading import ReportRows
from uriba.sources.replay import comparison, report
from uriba.sources.replay.comparison import ComparisonRow
from uriba.sources.replay.errors import ReplayRefused
from uriba.sources.replay.runner import ReplayResult, ReplayTarget, replay
from uriba.sources.replay.sale_events import SaleEvents
from uriba.sources.replay.sales import CompleteJourneySales
from uriba.sources.replay.terminal_keys import KEYS_FILE

if TYPE_CHECKING:
    from conftest import RunningHub

STORES, DAYS = 4, 6


def year() -> CompleteJourneySales:
    return CompleteJourneySales(stores=STORES, days=DAYS)


@contextmanager
def unseen(_stage: str, _rows: int | None) -> Iterator[ReportRows]:
    yield lambda _: None


@pytest.fixture(scope="module")
async def calm(hub: RunningHub, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReplayTarget]:
    async with scratch_hub(hub.settings) as (settings, database):
        yield ReplayTarget(database, supervisor.environment(settings), tmp_path_factory.mktemp("calm"))


@pytest.fixture(scope="module")
async def bad(hub: RunningHub, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReplayTarget]:
    async with scratch_hub(hub.settings) as (settings, database):
        yield ReplayTarget(database, supervisor.environment(settings), tmp_path_factory.mktemp("bad"))


@pytest.fixture(scope="module")
async def replayed(calm: ReplayTarget) -> ReplayResult:
    return await replay(calm, year, chaos=None, watch=unseen)


@pytest.fixture(scope="module")
async def survived(bad: ReplayTarget) -> ReplayResult:
    return await replay(bad, year, chaos=3, watch=unseen)


async def rows(hub: ReplayTarget, sql: str, *given: object) -> list[dict[str, Any]]:
    async with hub.database.reading() as session:
        return [dict(row) for row in await session.fetch(sql, *given)]


async def change(hub: ReplayTarget, sql: str) -> None:
    async with hub.database.transaction(tell=False) as session:
        await session.run(sql)


def unequal(found: list[ComparisonRow]) -> set[str]:
    return {row.what for row in found if not row.equal}


async def test_a_calm_slice_ends_in_the_sources_books(calm: ReplayTarget, replayed: ReplayResult) -> None:
    assert unequal(replayed.rows) == set()
    assert replayed.told.statuses == {"APPLIED": replayed.events}
    shown = {row.what: row.hub for row in replayed.rows}
    (books,) = await rows(calm, "SELECT count(*) AS orders, sum(total_minor)::bigint AS cents FROM orders")
    assert shown["baskets"] == f"{books['orders']:,}" == f"{replayed.events:,}"
    assert shown["revenue"] == f"{books['cents'] / 100:,.2f}"
    assert shown["stores that sold"] == str(STORES)
    assert int(shown["lines of quantity 0"]) > 0


async def test_chaos_ends_in_the_sources_books(bad: ReplayTarget, survived: ReplayResult) -> None:
    assert unequal(survived.rows) == set()
    statuses = survived.told.statuses
    assert set(statuses) == {"APPLIED", "DUPLICATE"}
    assert 0.1 < statuses["DUPLICATE"] / statuses["APPLIED"] < 0.3
    assert await rows(bad, "SELECT kind, message FROM conflict") == []


@pytest.mark.parametrize("name", ["calm", "bad"])
async def test_every_invariant_holds_after_it(
    name: str, calm: ReplayTarget, bad: ReplayTarget, replayed: ReplayResult, survived: ReplayResult
) -> None:
    hub = {"calm": calm, "bad": bad}[name]

    broken = [(f.invariant.name, f.examples) for f in await invariants.check(hub.database) if f.rows]

    assert broken == []


async def test_both_end_in_the_same_levels(
    calm: ReplayTarget, bad: ReplayTarget, replayed: ReplayResult, survived: ReplayResult
) -> None:
    levels = """
        SELECT s.code, v.sku, l.on_hand FROM stock_level l JOIN variant v ON v.id = l.variant_id
        JOIN location s ON s.id = l.location_id ORDER BY 1, 2
    """

    assert await rows(calm, levels) == await rows(bad, levels)


@pytest.mark.parametrize(("name", "seed"), [("calm", None), ("bad", 3)])
async def test_again_nothing_is_sold_twice(
    name: str, seed: int | None, calm: ReplayTarget, bad: ReplayTarget, replayed: ReplayResult, survived: ReplayResult
) -> None:
    hub, before = {"calm": (calm, replayed), "bad": (bad, survived)}[name]

    again = await replay(hub, year, chaos=seed, watch=unseen)

    assert again.told.statuses == {"DUPLICATE": before.events}
    assert again.rows == before.rows
    assert again.equal


async def test_the_keys_are_kept_for_their_owner_only(calm: ReplayTarget, replayed: ReplayResult) -> None:
    file = calm.folder / KEYS_FILE

    assert file.stat().st_mode & 0o777 == 0o600
    assert len(await rows(calm, "SELECT id FROM access_key WHERE role = 'TERMINAL'")) == STORES


async def test_another_slice_needs_another_hub(calm: ReplayTarget, replayed: ReplayResult) -> None:
    for other, seed in ((CompleteJourneySales(stores=STORES, days=DAYS + 1), None), (year(), 3)):
        with pytest.raises(ReplayRefused, match="needs a hub of its own"):
            await replay(calm, lambda other=other: other, chaos=seed, watch=unseen)  # type: ignore[misc]

    (books,) = await rows(calm, "SELECT count(*) AS orders FROM orders")
    assert books["orders"] == replayed.events


async def test_a_hub_that_has_sold_is_left_alone(calm: ReplayTarget, replayed: ReplayResult, tmp_path: Path) -> None:
    with pytest.raises(ReplayRefused, match="has sold already"):
        await replay(replace(calm, folder=tmp_path), year, chaos=None, watch=unseen)

    assert not (tmp_path / KEYS_FILE).exists()


@pytest.mark.parametrize(
    ("meddling", "mending", "told"),
    [
        (
            "UPDATE orders SET customer_id = NULL WHERE number = '100007'",
            "UPDATE orders SET customer_id = (SELECT id FROM customer WHERE name = 'kept') WHERE number = '100007'",
            {"orders of each household", "each basket: card, lines, cents"},
        ),
        (
            "UPDATE orders SET placed_at = placed_at + interval '3 minutes' WHERE number = '100007'",
            "UPDATE orders SET placed_at = placed_at - interval '3 minutes' WHERE number = '100007'",
            {"each basket: time, to 2 minutes"},
        ),
        (
            "UPDATE orders SET receipt = receipt || '0' WHERE number = '100007'",
            "UPDATE orders SET receipt = left(receipt, -1) WHERE number = '100007'",
            {"each basket: card, lines, cents", "each basket: time, to 2 minutes"},
        ),
    ],
)
async def test_a_difference_is_seen(
    calm: ReplayTarget, replayed: ReplayResult, meddling: str, mending: str, told: set[str]
) -> None:
    await change(
        calm, "UPDATE customer SET name = 'kept' WHERE id = (SELECT customer_id FROM orders WHERE number = '100007')"
    )
    source = SaleEvents(year())

    await change(calm, meddling)
    found = await comparison.compare(calm.database, source, petrol=frozenset(), count=lambda _: None)
    await change(calm, mending)

    assert unequal(found) == told


async def test_a_doubled_sale_and_a_wrong_level_are_seen(calm: ReplayTarget, replayed: ReplayResult) -> None:
    source = SaleEvents(year())
    await change(
        calm, "UPDATE orders SET receipt = (SELECT receipt FROM orders WHERE number = '100008') WHERE number = '100007'"
    )
    await change(
        calm,
        "UPDATE stock_level SET on_hand = on_hand + 1 WHERE (variant_id, location_id) = (SELECT min(variant_id), min(location_id) FROM stock_level)",
    )

    found = {
        row.what: row
        for row in await comparison.compare(calm.database, source, petrol=frozenset(), count=lambda _: None)
    }

    assert found["levels: opening less sold"].hub == "1 differ"
    assert not found["each basket: card, lines, cents"].equal


async def test_revoked_tills_do_not_sell(bad: ReplayTarget, survived: ReplayResult) -> None:
    async with bad.database.transaction() as session:
        await keys.revoke(session, key_id=(await keys.all_keys(session))[0]["id"])

    with pytest.raises(ReplayRefused, match="revoked"):
        await replay(bad, year, chaos=3, watch=unseen)


def test_the_result_says_what_differs(replayed: ReplayResult) -> None:
    wrong = replace(replayed, rows=[*replayed.rows[1:], ComparisonRow("revenue", "1.00", "2.00", False)])

    equal, different = io.StringIO(), io.StringIO()
    for shown, ended in ((equal, replayed), (different, wrong)):
        Console(file=shown, width=110).print(report.render_report("a week", ended))

    assert "✓ a week: the hub's books are the source's, to the unit and the cent" in equal.getvalue()
    assert f"✗ a week: 1 of {len(wrong.rows)} rows differ" in different.getvalue()
    assert "✗" not in equal.getvalue()
