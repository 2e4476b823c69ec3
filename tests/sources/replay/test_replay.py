"""A replay of some days of some stores: hub and source agree afterwards, and differences are found."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from tests.support.scratch_database import open_scratch_database
from uriba import invariants
from uriba.access import keys
from uriba.config import to_environment
from uriba.db.statements import statement
from uriba.sources.loading import AddRows
from uriba.sources.replay import comparison, report
from uriba.sources.replay.comparison import ComparisonRow
from uriba.sources.replay.errors import ReplayRefused
from uriba.sources.replay.runner import ReplayResult, ReplayTarget, replay
from uriba.sources.replay.sale_events import SaleEvents
from uriba.sources.replay.sales import CompleteJourneySales
from uriba.sources.replay.terminal_keys import KEYS_FILE

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

STORES, DAYS = 4, 6


def year() -> CompleteJourneySales:
    return CompleteJourneySales(stores=STORES, days=DAYS)


@contextmanager
def no_progress(_stage: str, _rows: int | None) -> Iterator[AddRows]:
    yield lambda _: None


@pytest.fixture(scope="module")
async def orderly_hub(hub: RunningHub, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReplayTarget]:
    async with open_scratch_database(hub.settings) as (settings, database):
        yield ReplayTarget(database, to_environment(settings), tmp_path_factory.mktemp("orderly"))


@pytest.fixture(scope="module")
async def chaotic_hub(hub: RunningHub, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReplayTarget]:
    async with open_scratch_database(hub.settings) as (settings, database):
        yield ReplayTarget(database, to_environment(settings), tmp_path_factory.mktemp("chaotic"))


@pytest.fixture(scope="module")
async def orderly_result(orderly_hub: ReplayTarget) -> ReplayResult:
    return await replay(orderly_hub, year, seed=None, progress=no_progress)


@pytest.fixture(scope="module")
async def chaotic_result(chaotic_hub: ReplayTarget) -> ReplayResult:
    return await replay(chaotic_hub, year, seed=3, progress=no_progress)


async def rows(hub: ReplayTarget, sql: str) -> list[dict[str, Any]]:
    async with hub.database.reading() as session:
        return [dict(row) for row in await session.fetch(statement(sql))]


async def change(hub: ReplayTarget, sql: str) -> None:
    async with hub.database.transaction(notify=False) as session:
        await session.run(statement(sql))


def unequal(found: list[ComparisonRow]) -> set[str]:
    return {row.title for row in found if not row.equal}


async def test_an_orderly_replay_agrees_with_the_source(
    orderly_hub: ReplayTarget, orderly_result: ReplayResult
) -> None:
    assert unequal(orderly_result.rows) == set()
    assert orderly_result.summary.statuses == {"APPLIED": orderly_result.events}
    figures = {row.title: row.hub for row in orderly_result.rows}
    (orders,) = await rows(orderly_hub, "SELECT count(*) AS count, sum(total_minor)::bigint AS cents FROM orders")
    assert figures["baskets"] == f"{orders['count']:,}" == f"{orderly_result.events:,}"
    assert figures["revenue"] == f"{orders['cents'] / 100:,.2f}"
    assert figures["stores that sold"] == str(STORES)
    assert int(figures["lines of quantity 0"]) > 0


async def test_a_chaotic_replay_agrees_with_the_source(chaotic_hub: ReplayTarget, chaotic_result: ReplayResult) -> None:
    assert unequal(chaotic_result.rows) == set()
    statuses = chaotic_result.summary.statuses
    assert set(statuses) == {"APPLIED", "DUPLICATE"}
    assert 0.1 < statuses["DUPLICATE"] / statuses["APPLIED"] < 0.3
    assert await rows(chaotic_hub, "SELECT kind, message FROM conflict") == []


@pytest.mark.parametrize("name", ["orderly_hub", "chaotic_hub"])
async def test_every_invariant_holds_after_a_replay(
    name: str,
    orderly_hub: ReplayTarget,
    chaotic_hub: ReplayTarget,
    orderly_result: ReplayResult,
    chaotic_result: ReplayResult,
) -> None:
    hub = {"orderly_hub": orderly_hub, "chaotic_hub": chaotic_hub}[name]

    broken = [(f.invariant.name, f.examples) for f in await invariants.check(hub.database) if f.rows]

    assert broken == []


async def test_orderly_and_chaotic_replay_end_with_the_same_levels(
    orderly_hub: ReplayTarget, chaotic_hub: ReplayTarget, orderly_result: ReplayResult, chaotic_result: ReplayResult
) -> None:
    levels = """
        SELECT s.code, v.sku, l.on_hand FROM stock_level l JOIN variant v ON v.id = l.variant_id
        JOIN location s ON s.id = l.location_id ORDER BY 1, 2
    """

    assert await rows(orderly_hub, levels) == await rows(chaotic_hub, levels)


@pytest.mark.parametrize(("name", "seed"), [("orderly_hub", None), ("chaotic_hub", 3)])
async def test_a_repeated_replay_sells_nothing_twice(
    name: str,
    seed: int | None,
    orderly_hub: ReplayTarget,
    chaotic_hub: ReplayTarget,
    orderly_result: ReplayResult,
    chaotic_result: ReplayResult,
) -> None:
    hub, before = {"orderly_hub": (orderly_hub, orderly_result), "chaotic_hub": (chaotic_hub, chaotic_result)}[name]

    again = await replay(hub, year, seed=seed, progress=no_progress)

    assert again.summary.statuses == {"DUPLICATE": before.events}
    assert again.rows == before.rows
    assert again.equal


async def test_the_saved_keys_are_readable_by_their_owner_only(
    orderly_hub: ReplayTarget, orderly_result: ReplayResult
) -> None:
    file = orderly_hub.data_dir / KEYS_FILE

    assert file.stat().st_mode & 0o777 == 0o600
    assert len(await rows(orderly_hub, "SELECT id FROM access_key WHERE role = 'TERMINAL'")) == STORES


async def test_refuses_another_slice_in_the_same_hub(orderly_hub: ReplayTarget, orderly_result: ReplayResult) -> None:
    for other, seed in ((CompleteJourneySales(stores=STORES, days=DAYS + 1), None), (year(), 3)):
        with pytest.raises(ReplayRefused, match="needs a hub of its own"):
            await replay(orderly_hub, lambda other=other: other, seed=seed, progress=no_progress)  # type: ignore[misc]

    (orders,) = await rows(orderly_hub, "SELECT count(*) AS count FROM orders")
    assert orders["count"] == orderly_result.events


async def test_refuses_a_hub_with_orders(
    orderly_hub: ReplayTarget, orderly_result: ReplayResult, tmp_path: Path
) -> None:
    with pytest.raises(ReplayRefused, match="has orders already"):
        await replay(replace(orderly_hub, data_dir=tmp_path), year, seed=None, progress=no_progress)

    assert not (tmp_path / KEYS_FILE).exists()


@pytest.mark.parametrize(
    ("change_sql", "undo_sql", "different"),
    [
        (
            "UPDATE orders SET customer_id = NULL WHERE number = '100007'",
            "UPDATE orders SET customer_id = (SELECT id FROM customer WHERE name = 'original') WHERE number = '100007'",
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
async def test_finds_a_difference(
    orderly_hub: ReplayTarget, orderly_result: ReplayResult, change_sql: str, undo_sql: str, different: set[str]
) -> None:
    await change(
        orderly_hub,
        "UPDATE customer SET name = 'original' WHERE id = (SELECT customer_id FROM orders WHERE number = '100007')",
    )
    source = SaleEvents(year())

    await change(orderly_hub, change_sql)
    found = await comparison.compare(orderly_hub.database, source, petrol=frozenset(), add_rows=lambda _: None)
    await change(orderly_hub, undo_sql)

    assert unequal(found) == different


async def test_finds_a_doubled_sale_and_a_wrong_level(orderly_hub: ReplayTarget, orderly_result: ReplayResult) -> None:
    source = SaleEvents(year())
    await change(
        orderly_hub,
        "UPDATE orders SET receipt = (SELECT receipt FROM orders WHERE number = '100008') WHERE number = '100007'",
    )
    await change(
        orderly_hub,
        "UPDATE stock_level SET on_hand = on_hand + 1 WHERE (variant_id, location_id) = (SELECT min(variant_id), min(location_id) FROM stock_level)",
    )

    found = {
        row.title: row
        for row in await comparison.compare(orderly_hub.database, source, petrol=frozenset(), add_rows=lambda _: None)
    }

    assert found["levels: opening less sold"].hub == "1 differ"
    assert not found["each basket: card, lines, cents"].equal


async def test_refuses_a_replay_with_revoked_keys(chaotic_hub: ReplayTarget, chaotic_result: ReplayResult) -> None:
    async with chaotic_hub.database.transaction() as session:
        await keys.revoke(session, key_id=(await keys.all_keys(session))[0]["id"])

    with pytest.raises(ReplayRefused, match="revoked"):
        await replay(chaotic_hub, year, seed=3, progress=no_progress)


def test_the_report_says_whether_rows_differ(orderly_result: ReplayResult) -> None:
    wrong = replace(orderly_result, rows=[*orderly_result.rows[1:], ComparisonRow("revenue", "1.00", "2.00", False)])

    equal, different = io.StringIO(), io.StringIO()
    for output, ended in ((equal, orderly_result), (different, wrong)):
        Console(file=output, width=110).print(report.render_report("a week", ended))

    assert "✓ a week: hub and source agree to the unit and the cent" in equal.getvalue()
    assert f"✗ a week: 1 of {len(wrong.rows)} rows differ" in different.getvalue()
    assert "✗" not in equal.getvalue()
