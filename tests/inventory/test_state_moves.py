"""stockMove: units become unfit for sale, or fit again. On hand does not change."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.shop import Shop
from tests.support.stock_calls import (
    MOVE,
    adjust_stock,
    codes,
    level_ids,
    move_input,
    move_stock,
    place_pickup_order,
    set_stock,
)
from uriba.core.actor import Scope


def states(level: dict[str, Any]) -> dict[str, int]:
    return {row["state"]: row["quantity"] for row in level["unavailableByState"]}


async def now(shop: Shop, sku: str = "TEA") -> tuple[int, int, dict[str, int]]:
    """Return on hand, available, and units by state at S1."""
    data = await shop.staff.execute(
        """query ($s: String!, $l: String!) { stockLevel(sku: $s, location: $l) {
            onHand available unavailableByState { state quantity } } }""",
        s=shop.sku(sku),
        l=shop.code("S1"),
    )
    level = data["stockLevel"]
    return level["onHand"], level["available"], states(level)


async def test_moves_units_between_states_and_back(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)

    found = []
    for row in (
        ("TEA", "S1", 3, "SELLABLE", "INSPECTION"),
        ("TEA", "S1", 1, "INSPECTION", "DAMAGED"),
        ("TEA", "S1", 2, "INSPECTION", "SELLABLE"),
        ("TEA", "S1", 1, "SELLABLE", "DISPLAY"),
    ):
        (level,) = (await move_stock(shop, row))["levels"]
        found.append((level["onHand"], level["unavailable"], level["available"], states(level)))

    assert found == [
        (10, 3, 7, {"INSPECTION": 3}),
        (10, 3, 7, {"DAMAGED": 1, "INSPECTION": 2}),
        (10, 1, 9, {"DAMAGED": 1}),
        (10, 2, 8, {"DAMAGED": 1, "DISPLAY": 1}),
    ]


async def test_records_each_move_with_reason_and_actor(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)

    await move_stock(shop, ("TEA", "S1", 3, "SELLABLE", "INSPECTION"), key="check")
    await move_stock(shop, ("TEA", "S1", 2, "INSPECTION", "DAMAGED"), key="tick", reason=" broken lid ")

    level = await level_ids(shop, "TEA", "S1")
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT reason, quantity, on_hand_delta, unavailable_delta, state, reference, actor, "
            "occurred_at = recorded_at AS at_once FROM stock_movement WHERE (variant_id, location_id) = ($1, $2) "
            "ORDER BY recorded_at, id OFFSET 1",
            *level,
        )
    staff = f"staff:{shop.staff.key.split('_')[2]}"  # type: ignore[union-attr]
    assert [tuple(row.values()) for row in rows] == [
        ("MOVE", 3, 0, 3, "INSPECTION", "move:check", staff, True),
        ("MOVE", 2, 0, -2, "INSPECTION", "move:tick: broken lid", staff, True),
        ("MOVE", 2, 0, 2, "DAMAGED", "move:tick: broken lid", staff, True),
    ]


async def test_adds_up_rows_of_one_level(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    await move_stock(shop, ("TEA", "S1", 2, "SELLABLE", "DISPLAY"))

    payload = await move_stock(
        shop,
        ("TEA", "S1", 1, "SELLABLE", "DAMAGED"),
        ("TEA", "S1", 1, "SELLABLE", "DAMAGED"),
        ("TEA", "S1", 2, "DISPLAY", "SELLABLE"),
    )

    assert payload["errors"] == []
    assert await now(shop) == (2, 0, {"DAMAGED": 2})


async def test_refuses_all_rows_when_one_is_impossible(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, POT_S1=1)
    await move_stock(shop, ("TEA", "S1", 2, "SELLABLE", "DISPLAY"))

    payload = await move_stock(
        shop,
        ("TEA", "S1", 1, "SELLABLE", "DAMAGED"),
        ("TEA", "S1", 3, "DISPLAY", "SELLABLE"),
        ("POT", "S1", 1, "DAMAGED", "SELLABLE"),
    )

    assert sorted(codes(payload)) == [
        ("INVALID_QUANTITY", ("moves", "1", "quantity")),
        ("INVALID_QUANTITY", ("moves", "2", "quantity")),
    ]
    assert sorted(error["message"] for error in payload["errors"]) == ["Only 0 are DAMAGED.", "Only 2 are DISPLAY."]
    assert payload["levels"] == []
    assert await now(shop) == (5, 3, {"DISPLAY": 2})


async def test_promised_units_cannot_become_unavailable(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    await place_pickup_order(shop, "TEA", 3)

    refused = await move_stock(shop, ("TEA", "S1", 3, "SELLABLE", "DAMAGED"))
    taken = await move_stock(shop, ("TEA", "S1", 2, "SELLABLE", "DAMAGED"))

    assert codes(refused) == [("INVALID_QUANTITY", ("moves", "0", "quantity"))]
    assert "Only 2" in refused["errors"][0]["message"]
    assert taken["errors"] == []
    assert await now(shop) == (5, 0, {"DAMAGED": 2})


async def test_safety_stock_can_become_damaged(shop: Shop) -> None:
    await set_stock(shop, ("TEA", "S1", {"onHand": 5, "safetyStock": 4}))

    payload = await move_stock(shop, ("TEA", "S1", 3, "SELLABLE", "DAMAGED"))

    assert payload["errors"] == []
    assert await now(shop) == (5, -2, {"DAMAGED": 3})


async def test_removing_damaged_units_reduces_on_hand_and_unavailable(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    await move_stock(shop, ("TEA", "S1", 2, "SELLABLE", "DAMAGED"))

    await move_stock(shop, ("TEA", "S1", 2, "DAMAGED", "SELLABLE"))
    await adjust_stock(shop, ("TEA", "S1", -2), reason="DAMAGE")

    assert await now(shop) == (3, 3, {})


async def test_reports_every_invalid_row_in_one_answer(shop: Shop) -> None:
    payload = await move_stock(
        shop,
        ("TEA", "S1", 0, "SELLABLE", "DAMAGED"),
        ("TEA", "S1", -1, "SELLABLE", "DAMAGED"),
        ("TEA", "S1", 100_001, "SELLABLE", "DAMAGED"),
        ("TEA", "S1", 1, "DAMAGED", "DAMAGED"),
        ("nothing", "S1", 1, "SELLABLE", "DAMAGED"),
        ("TEA", "nowhere", 1, "SELLABLE", "DAMAGED"),
    )

    assert sorted(codes(payload)) == [
        ("INVALID", ("moves", "3", "to")),
        ("INVALID_QUANTITY", ("moves", "0", "quantity")),
        ("INVALID_QUANTITY", ("moves", "1", "quantity")),
        ("INVALID_QUANTITY", ("moves", "2", "quantity")),
        ("NOT_FOUND", ("moves", "4", "sku")),
        ("NOT_FOUND", ("moves", "5", "location")),
    ]


async def test_refuses_no_rows_and_too_many(shop: Shop) -> None:
    assert codes(await move_stock(shop)) == [("INVALID", ("moves",))]
    row = ("TEA", "S1", 1, "SELLABLE", "DAMAGED")
    assert codes(await move_stock(shop, *[row] * 1_001)) == [("LIMIT_EXCEEDED", ("moves",))]
    assert codes(await move_stock(shop, row, reason="x" * 201)) == [("INVALID", ("reason",))]


async def test_moves_once_for_each_key(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    row = ("TEA", "S1", 2, "SELLABLE", "DAMAGED")

    first = await move_stock(shop, row, key="k")
    again = await move_stock(shop, row, key="k")
    other = await move_stock(shop, row, key="k", reason="another")

    assert again == first and not first["errors"]
    assert codes(other) == [("IDEMPOTENCY_KEY_REUSED", ("idempotencyKey",))]
    assert await now(shop) == (5, 3, {"DAMAGED": 2})


async def test_a_terminal_moves_only_at_its_location_and_an_app_needs_the_scope(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, TEA_S2=5)
    own, foreign = ("TEA", "S1", 1, "SELLABLE", "DISPLAY"), ("TEA", "S2", 1, "SELLABLE", "DISPLAY")
    till, app = await shop.terminal("S1"), await shop.app("app", Scope.INVENTORY)

    allowed = [await move_stock(shop, own, by=by) for by in (till, app)]
    refused = [
        (await by.post(MOVE, i=move_input(shop, *rows)))["errors"][0]["extensions"]["code"]
        for by, rows in (
            (till, [own, foreign]),
            (await shop.app("app"), [own]),
            (await shop.customer(), [own]),
            (shop.guest(), [own]),
        )
    ]

    assert [payload["errors"] for payload in allowed] == [[], []]
    assert refused == ["FORBIDDEN", "FORBIDDEN", "FORBIDDEN", "UNAUTHENTICATED"]
    assert await now(shop) == (5, 3, {"DISPLAY": 2})


@pytest.mark.parametrize("source", ["SELLABLE", "INSPECTION"])
async def test_concurrent_moves_take_the_last_units_of_a_state_once(shop: Shop, source: str) -> None:
    await shop.receive(TEA_S1=3)
    if source != "SELLABLE":
        await move_stock(shop, ("TEA", "S1", 3, "SELLABLE", source))

    payloads = await asyncio.gather(*(move_stock(shop, ("TEA", "S1", 1, source, "DAMAGED")) for _ in range(8)))

    assert sorted(len(payload["errors"]) for payload in payloads) == [0] * 3 + [1] * 5
    assert await now(shop) == (3, 0, {"DAMAGED": 3})
