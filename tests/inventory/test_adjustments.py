"""stockAdjust: adds differences, all rows or none."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.support.shop import Shop
from tests.support.stock_calls import (
    ADJUST,
    adjust_stock,
    codes,
    level_events,
    level_ids,
    place_pickup_order,
    shortages,
)
from uriba.core.actor import SYSTEM, Scope
from uriba.db import Row, Session
from uriba.db.statements import Statement
from uriba.inventory import adjustments
from uriba.inventory.adjustments import Adjustment
from uriba.inventory.enums import StockReason


async def test_adds_up_rows_of_one_level_and_records_a_movement_for_each(shop: Shop) -> None:
    payload = await adjust_stock(shop, ("TEA", "S1", 5), ("POT", "S1", 7), ("TEA", "S1", -2))

    assert {(row["variant"]["sku"], row["onHand"]) for row in payload["levels"]} == {
        (shop.sku("TEA"), 3),
        (shop.sku("POT"), 7),
    }
    moved = [edge["node"]["onHandDelta"] for edge in (await shop.stock_level("TEA", "S1"))["movements"]["edges"]]
    assert sorted(moved) == [-2, 5]


async def test_accepts_rows_whose_sum_does_not_fall_below_zero(shop: Shop) -> None:
    payload = await adjust_stock(shop, ("TEA", "S1", -2), ("TEA", "S1", 5))

    assert payload["errors"] == []
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 3


async def test_refuses_all_rows_when_one_falls_below_zero(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, POT_S1=1, CUP_S1=1)

    payload = await adjust_stock(shop, ("TEA", "S1", 10), ("POT", "S1", -2), ("CUP", "S1", -3))

    assert sorted(codes(payload)) == [
        ("INVALID_QUANTITY", ("changes", "1", "delta")),
        ("INVALID_QUANTITY", ("changes", "2", "delta")),
    ]
    assert payload["levels"] == []
    assert [(await shop.stock_level(sku, "S1"))["onHand"] for sku in ("TEA", "POT", "CUP")] == [5, 1, 1]


async def test_reports_every_invalid_row_in_one_answer(shop: Shop) -> None:
    payload = await shop.staff.mutate(
        ADJUST,
        i={
            "changes": [
                {"sku": shop.sku("TEA"), "location": shop.code("S1"), "delta": 0},
                {"sku": "nothing", "location": shop.code("S1"), "delta": 1},
                {"sku": shop.sku("TEA"), "location": "nowhere", "delta": 1},
                {"sku": shop.sku("TEA"), "location": shop.code("S1"), "delta": 100_001},
                {"sku": shop.sku("TEA"), "location": shop.code("S1"), "delta": -100_001},
            ],
            "idempotencyKey": uuid4().hex,
        },
    )

    assert sorted(codes(payload)) == [
        ("INVALID_QUANTITY", ("changes", "0", "delta")),
        ("INVALID_QUANTITY", ("changes", "3", "delta")),
        ("INVALID_QUANTITY", ("changes", "4", "delta")),
        ("NOT_FOUND", ("changes", "1", "sku")),
        ("NOT_FOUND", ("changes", "2", "location")),
    ]


async def test_a_refused_call_leaves_its_key_unused_and_creates_no_level(shop: Shop) -> None:
    key = uuid4().hex

    refused = await adjust_stock(shop, ("TEA", "S1", -1), key=key)
    level = await level_ids(shop, "TEA", "S1")
    async with shop.hub.database.reading() as session:
        opened = await session.fetch("SELECT FROM stock_level WHERE (variant_id, location_id) = ($1, $2)", *level)
    accepted = await adjust_stock(shop, ("TEA", "S1", 1), key=key)

    assert codes(refused) == [("INVALID_QUANTITY", ("changes", "0", "delta"))]
    assert opened == []
    assert accepted["levels"][0]["onHand"] == 1


async def test_repeats_the_answer_for_the_same_key_and_adds_once(shop: Shop) -> None:
    key = uuid4().hex
    changes = [(sku, place, 2) for place in ("W1", "S2", "S1") for sku in ("POT", "TEA", "CUP")]

    first = await adjust_stock(shop, *changes, key=key)
    again = await adjust_stock(shop, *changes, key=key)

    assert again == first
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 2


async def test_the_same_key_with_another_input_is_refused(shop: Shop) -> None:
    key = uuid4().hex
    await adjust_stock(shop, ("TEA", "S1", 2), key=key)

    payload = await adjust_stock(shop, ("TEA", "S1", 3), key=key)

    assert codes(payload) == [("IDEMPOTENCY_KEY_REUSED", ("idempotencyKey",))]
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 2


async def test_opens_a_shortage_with_an_event_when_promised_units_are_missing(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)
    await place_pickup_order(shop, "TEA", 6)
    level = await level_ids(shop, "TEA", "S1")

    payload = await adjust_stock(shop, ("TEA", "S1", -7))

    (row,) = payload["levels"]
    assert (row["onHand"], row["committed"], row["available"], row["shortage"]) == (3, 6, -3, 3)
    async with shop.hub.database.reading() as session:
        assert await shortages(session, level) == [(3, 0, False)]
        events = await level_events(session, level)
    assert events[-2][0] == "stock.changed"
    assert events[-1][0] == "shortage.opened"
    assert [version for _, version in events] == list(range(1, len(events) + 1))


async def test_later_receipts_settle_the_oldest_shortages_first(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)
    await place_pickup_order(shop, "TEA", 10)
    level = await level_ids(shop, "TEA", "S1")
    for lost in (3, 2):
        await adjust_stock(shop, ("TEA", "S1", -lost))

    found = []
    for received in (1, 3, 5):
        await adjust_stock(shop, ("TEA", "S1", received), reason="RECEIPT")
        async with shop.hub.database.reading() as session:
            found.append(await shortages(session, level))

    assert found == [
        [(3, 1, False), (2, 0, False)],
        [(3, 3, True), (2, 1, False)],
        [(3, 3, True), (2, 2, True)],
    ]
    assert (await shop.stock_level("TEA", "S1"))["available"] == 4
    async with shop.hub.database.reading() as session:
        assert [kind for kind, _ in await level_events(session, level)].count("shortage.settled") == 3


async def test_settles_in_order_after_a_partly_settled_shortage_has_grown(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    await place_pickup_order(shop, "TEA", 5)
    level = await level_ids(shop, "TEA", "S1")

    await adjust_stock(shop, ("TEA", "S1", -4))
    await adjust_stock(shop, ("TEA", "S1", 2))
    await adjust_stock(shop, ("TEA", "S1", -1))
    await adjust_stock(shop, ("TEA", "S1", 2))

    async with shop.hub.database.reading() as session:
        assert await shortages(session, level) == [(4, 4, True), (1, 0, False)]


@pytest.mark.parametrize("reason", ["SALE", "RETURN", "RECEIPT", "ADJUSTMENT", "DAMAGE", "IMPORT"])
async def test_records_reason_key_and_actor(shop: Shop, reason: str) -> None:
    payload = await adjust_stock(shop, ("TEA", "S1", 4), reason=reason, key=f"key-{reason}")

    assert payload["errors"] == []
    (edge,) = (await shop.stock_level("TEA", "S1"))["movements"]["edges"]
    assert (edge["node"]["reason"], edge["node"]["quantity"]) == (reason, 4)
    assert edge["node"]["reference"] == f"adjustment:key-{reason}"
    assert edge["node"]["actor"] == f"staff:{shop.staff.key.split('_')[2]}"  # type: ignore[union-attr]


@pytest.mark.parametrize("reason", ["COUNT", "TRANSFER_OUT", "TRANSFER_IN", "COMMIT", "RELEASE", "RESERVE"])
async def test_refuses_reasons_of_counts_promises_and_transfers(shop: Shop, reason: str) -> None:
    payload = await adjust_stock(shop, ("TEA", "S1", 4), reason=reason)

    assert codes(payload) == [("INVALID", ("reason",))]


async def test_refuses_more_than_a_thousand_rows(shop: Shop) -> None:
    payload = await adjust_stock(shop, *[("TEA", "S1", 1)] * 1_001)

    assert codes(payload) == [("LIMIT_EXCEEDED", ("changes",))]


async def test_a_terminal_changes_only_its_own_location(shop: Shop) -> None:
    till = await shop.terminal("S1")

    own = await adjust_stock(shop, ("TEA", "S1", 3), by=till)
    other = await till.post(
        ADJUST,
        i={
            "changes": [
                {"sku": shop.sku("TEA"), "location": shop.code("S1"), "delta": 1},
                {"sku": shop.sku("TEA"), "location": shop.code("S2"), "delta": 1},
            ],
            "idempotencyKey": uuid4().hex,
        },
    )

    assert own["levels"][0]["onHand"] == 3
    assert other["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 3


async def test_an_app_needs_the_scope_and_guests_are_refused(shop: Shop) -> None:
    with_scope, without = await shop.app("app", Scope.INVENTORY), await shop.app("app")
    change = {
        "changes": [{"sku": shop.sku("TEA"), "location": shop.code("W1"), "delta": 1}],
        "idempotencyKey": uuid4().hex,
    }

    allowed = await with_scope.mutate(ADJUST, i=change)
    refused = [await caller.post(ADJUST, i=change) for caller in (without, await shop.customer(), shop.guest())]

    assert allowed["levels"][0]["onHand"] == 1
    assert [answer["errors"][0]["extensions"]["code"] for answer in refused] == [
        "FORBIDDEN",
        "FORBIDDEN",
        "UNAUTHENTICATED",
    ]


async def test_a_thousand_rows_take_as_many_statements_as_one(shop: Shop) -> None:
    skus = [shop.sku(f"BULK{n}") for n in range(250)]
    await _make_variants(shop, skus)
    places = [shop.code(place) for place in ("S1", "S2", "W1")]
    rows = [Adjustment(sku, place, 3) for sku in skus for place in (*places, places[0])]

    few = await _statements(shop, rows[:1])
    many = await _statements(shop, rows)

    assert len(rows) == 1_000
    assert many == few <= 5


async def _make_variants(shop: Shop, skus: list[str]) -> None:
    products = [{"handle": sku, "name": sku, "variants": [{"sku": sku, "name": sku}]} for sku in skus]
    payload = await shop.staff.mutate(
        "mutation ($p: [ProductInput!]!) { productsUpsert(products: $p) { count errors { code } } }", p=products
    )
    assert payload["count"] == len(skus), payload


async def _statements(shop: Shop, rows: list[Adjustment]) -> int:
    async with shop.hub.database.transaction() as session:
        counting = Counting(session.driver)
        found = await adjustments.adjust(
            counting, actor=SYSTEM, changes=rows, reason=StockReason.RECEIPT, reference="bulk"
        )
    assert len(found) == len({(row.sku, row.location) for row in rows})
    return counting.statements


class Counting(Session):
    """A session that counts its statements."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self.statements = 0

    async def fetch(self, statement: Statement | str, /, *args: object, **params: object) -> list[Row]:
        self.statements += 1
        return await super().fetch(statement, *args, **params)

    async def run(self, statement: Statement | str, /, *args: object, **params: object) -> None:
        self.statements += 1
        await super().run(statement, *args, **params)
