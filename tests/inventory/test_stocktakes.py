"""stockCountSubmit: a stocktake as of when it was counted, a barrier for earlier movements."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest

from tests.support.client import Client
from tests.support.shop import ERRORS, Shop
from tests.support.stock_calls import adjust_stock, codes, level_ids, place_pickup_order, set_stock
from uriba.core.actor import Scope

SUBMIT = f"""mutation ($i: StockCountInput!) {{ stockCountSubmit(input: $i) {{
    levels {{ onHand available shortage safetyStock variant {{ sku }} }} {ERRORS} }} }}"""


async def submit(
    shop: Shop,
    *,
    by: Client | None = None,
    at: datetime | None = None,
    location: str = "S1",
    lines: list[tuple[str, int]] | None = None,
    key: str | None = None,
    reference: str | None = None,
    **counted: int,
) -> dict[str, Any]:
    """Call stockCountSubmit, as in submit(shop, TEA=7), and return the payload."""
    given = counting(shop, lines or list(counted.items()), at=at, location=location, key=key)
    return await (by or shop.staff).mutate(SUBMIT, i=given | {"reference": reference})


def counting(
    shop: Shop,
    lines: list[tuple[str, int]],
    *,
    at: datetime | None = None,
    location: str = "S1",
    key: str | None = None,
) -> dict[str, Any]:
    return {
        "location": shop.code(location),
        "lines": [{"sku": shop.sku(sku), "counted": quantity} for sku, quantity in lines],
        "countedAt": at.isoformat() if at else None,
        "idempotencyKey": key or uuid4().hex,
    }


async def newest(shop: Shop, sku: str) -> dict[str, Any]:
    """Return the newest movement at S1."""
    level = await level_ids(shop, sku, "S1")
    async with shop.hub.database.reading() as session:
        row = await session.fetchrow(
            "SELECT * FROM stock_movement WHERE (variant_id, location_id) = ($1, $2) ORDER BY recorded_at DESC, id DESC",
            *level,
        )
    assert row is not None
    return dict(row)


async def clock(shop: Shop) -> datetime:
    """Return the hub's time."""
    async with shop.hub.database.reading() as session:
        found: datetime = await session.fetchval("SELECT clock_timestamp()")
    return found


async def test_a_stocktake_sets_on_hand_and_returns_the_variance_of_each_line(shop: Shop) -> None:
    await shop.receive(TEA_S1=10, POT_S1=4)

    payload = await submit(shop, TEA=7, POT=6, CUP=2, key="monday", reference=" aisle 3 ")

    assert {(row["variant"]["sku"], row["onHand"]) for row in payload["levels"]} == {
        (shop.sku("TEA"), 7),
        (shop.sku("POT"), 6),
        (shop.sku("CUP"), 2),
    }
    rows = [await newest(shop, sku) for sku in ("TEA", "POT", "CUP")]
    assert [(row["reason"], row["quantity"], row["on_hand_delta"]) for row in rows] == [
        ("COUNT", 7, -3),
        ("COUNT", 6, 2),
        ("COUNT", 2, 2),
    ]
    assert {row["reference"] for row in rows} == {"count:monday: aisle 3"}
    assert {row["actor"] for row in rows} == {f"staff:{shop.staff.key.split('_')[2]}"}  # type: ignore[union-attr]


async def test_adds_movements_that_occurred_after_the_count(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)
    counted_at = await clock(shop)
    await adjust_stock(shop, ("TEA", "S1", -4))

    payload = await submit(shop, TEA=9, at=counted_at)

    assert payload["levels"][0]["onHand"] == 5
    row = await newest(shop, "TEA")
    assert (row["quantity"], row["on_hand_delta"], row["occurred_at"]) == (9, -1, counted_at)
    assert row["recorded_at"] > counted_at


async def test_a_count_before_the_last_one_changes_nothing(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)
    earlier = await clock(shop)
    await set_stock(shop, ("TEA", "S1", {"onHand": 8}))

    payload = await submit(shop, TEA=3, at=earlier)

    assert payload["errors"] == []
    assert payload["levels"][0]["onHand"] == 8
    row = await newest(shop, "TEA")
    assert (row["reason"], row["quantity"], row["on_hand_delta"]) == ("COUNT", 3, 0)


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_counts_of_several_times_end_in_the_same_level_in_any_order(shop: Shop, order: tuple[int, ...]) -> None:
    await shop.receive(TEA_S1=10)
    began = await clock(shop)
    times = [began - timedelta(seconds=seconds) for seconds in (300, 200, 100)]

    for n in order:
        await submit(shop, at=times[n], TEA=(20, 30, 40)[n])

    # The receipt occurred after all counts.
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 50


async def test_a_future_time_is_replaced_by_the_present(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)

    payload = await submit(shop, TEA=7, at=await clock(shop) + timedelta(days=1))
    await adjust_stock(shop, ("TEA", "S1", 2))

    row = await newest(shop, "TEA")
    assert payload["levels"][0]["onHand"] == 7
    assert row["reason"] == "ADJUSTMENT"
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 9
    level = await level_ids(shop, "TEA", "S1")
    async with shop.hub.database.reading() as session:
        counted_at = await session.fetchval(
            "SELECT counted_at FROM stock_level WHERE (variant_id, location_id) = ($1, $2)", *level
        )
    assert counted_at <= await clock(shop)


@pytest.mark.parametrize(
    "written",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z"],
)
async def test_refuses_a_time_outside_the_calendar(shop: Shop, written: str) -> None:
    await shop.receive(TEA_S1=10)
    given = counting(shop, [("TEA", 7)]) | {"countedAt": written}

    payload = await shop.staff.mutate(SUBMIT, i=given)

    assert codes(payload) in ([], [("INVALID", ("countedAt",))])


async def test_counts_of_zero_open_and_settle_shortages(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    await place_pickup_order(shop, "TEA", 3)

    gone = await submit(shop, TEA=0)
    found = await submit(shop, TEA=5)

    assert [(row["onHand"], row["shortage"]) for row in (*gone["levels"], *found["levels"])] == [(0, 3), (5, 0)]


async def test_a_count_keeps_the_safety_stock(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)

    await set_stock(shop, ("TEA", "S1", {"onHand": 10, "safetyStock": 4}))
    before = await shop.stock_level("TEA", "S1")
    (after,) = (await submit(shop, TEA=9))["levels"]
    await set_stock(shop, ("TEA", "S1", {"onHand": 9, "safetyStock": 0}))

    assert (before["safetyStock"], before["available"]) == (4, 6)
    assert (after["safetyStock"], after["available"]) == (4, 5)
    assert (await shop.stock_level("TEA", "S1"))["available"] == 9


async def test_reports_every_invalid_line_in_one_answer(shop: Shop) -> None:
    lines = [("TEA", -1), ("POT", 100_001), ("nothing", 1), ("TEA", 3)]

    payload = await submit(shop, lines=lines, location="nowhere")

    assert sorted(codes(payload)) == [
        ("INVALID", ("lines", "3", "sku")),
        ("INVALID_QUANTITY", ("lines", "0", "counted")),
        ("INVALID_QUANTITY", ("lines", "1", "counted")),
        ("NOT_FOUND", ("lines", "2", "sku")),
        ("NOT_FOUND", ("location",)),
    ]
    assert payload["levels"] == []


async def test_refuses_no_lines_and_too_many(shop: Shop) -> None:
    assert codes(await submit(shop)) == [("INVALID", ("lines",))]
    assert codes(await submit(shop, lines=[("TEA", 1)] * 1_001)) == [("LIMIT_EXCEEDED", ("lines",))]
    assert codes(await submit(shop, TEA=1, reference="x" * 201)) == [("INVALID", ("reference",))]


async def test_counts_once_for_each_key(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)

    first = await submit(shop, TEA=7, key="k")
    again = await submit(shop, TEA=7, key="k")
    other = await submit(shop, TEA=8, key="k")
    later = await submit(shop, TEA=7, key="k", at=datetime(2026, 1, 1, tzinfo=UTC))

    assert again == first and not first["errors"]
    assert [codes(payload) for payload in (other, later)] == [[("IDEMPOTENCY_KEY_REUSED", ("idempotencyKey",))]] * 2
    assert len((await shop.stock_level("TEA", "S1"))["movements"]["edges"]) == 2


async def test_a_terminal_counts_only_its_location_and_an_app_needs_the_scope(shop: Shop) -> None:
    till, app = await shop.terminal("S1"), await shop.app("app", Scope.INVENTORY)

    allowed = [await submit(shop, by=by, TEA=units) for by, units in ((till, 3), (app, 4))]
    refused = [
        (await by.post(SUBMIT, i=counting(shop, [("TEA", 1)], location=place)))["errors"][0]["extensions"]["code"]
        for by, place in (
            (till, "S2"),
            (await shop.app("app"), "S1"),
            (await shop.customer(), "S1"),
            (shop.guest(), "S1"),
        )
    ]

    assert [payload["levels"][0]["onHand"] for payload in allowed] == [3, 4]
    assert refused == ["FORBIDDEN", "FORBIDDEN", "FORBIDDEN", "UNAUTHENTICATED"]
