"""StockLevel.explain: the terms of what is available, with the rows that each term comes from."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.shop import Shop
from tests.support.stock_calls import adjust_stock, level_ids, move_stock, place_pickup_order, set_stock
from uriba.db import Row, Session
from uriba.fulfillment import queries as fulfillments
from uriba.inventory import explain

EXPLAIN = """
    available onHand explain { name state sign quantity total references { id kind label quantity at } }
"""
LEVELS = f"""query ($l: String, $s: [String!]) {{ stockLevels(location: $l, skus: $s) {{ edges {{ node {{
    variant {{ sku }} unavailableByState {{ state quantity }} {EXPLAIN} }} }} }} }}"""


async def explained(
    shop: Shop, sku: str = "TEA", *, quiet: bool = True
) -> dict[tuple[str, str | None], dict[str, Any]]:
    """Return the terms of a level at S1 by name and state; they must add up to what is available."""
    data = await shop.staff.execute(LEVELS, l=shop.code("S1"), s=[shop.sku(sku)])
    (edge,) = data["stockLevels"]["edges"]
    terms = edge["node"]["explain"]
    assert not quiet or sum(term["sign"] * term["quantity"] for term in terms) == edge["node"]["available"]
    return {(term["name"], term["state"]): term for term in terms}


async def node(shop: Shop, id: str) -> dict[str, Any]:
    found = await shop.staff.execute(
        "query ($id: ID!) { node(id: $id) { __typename ... on StockMovement { reason quantity } "
        "... on Fulfillment { status } } }",
        id=id,
    )
    return found["node"]  # type: ignore[no-any-return]


async def test_terms_are_in_order_and_add_up_to_available(shop: Shop) -> None:
    await set_stock(shop, ("TEA", "S1", {"onHand": 20, "safetyStock": 3}))
    await place_pickup_order(shop, "TEA", 4)
    await move_stock(shop, ("TEA", "S1", 2, "SELLABLE", "DISPLAY"), ("TEA", "S1", 1, "SELLABLE", "DAMAGED"))

    terms = await explained(shop)

    assert [(name, state, term["sign"], term["quantity"]) for (name, state), term in terms.items()] == [
        ("ON_HAND", None, 1, 20),
        ("UNAVAILABLE", "DAMAGED", -1, 1),
        ("UNAVAILABLE", "DISPLAY", -1, 2),
        ("COMMITTED", None, -1, 4),
        ("RESERVED", None, -1, 0),
        ("SAFETY_STOCK", None, -1, 3),
    ]


async def test_an_empty_level_has_all_terms(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    await adjust_stock(shop, ("TEA", "S1", -5))

    terms = await explained(shop)

    assert [(name, term["quantity"]) for (name, _), term in terms.items()] == [
        ("ON_HAND", 0),
        ("UNAVAILABLE", 0),
        ("COMMITTED", 0),
        ("RESERVED", 0),
        ("SAFETY_STOCK", 0),
    ]


async def test_on_hand_is_explained_by_the_last_count_and_later_movements(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)
    uncounted = (await explained(shop))["ON_HAND", None]
    await set_stock(shop, ("TEA", "S1", {"onHand": 8}), key="monday")
    await adjust_stock(shop, ("TEA", "S1", -3))
    await adjust_stock(shop, ("TEA", "S1", 1))

    counted = (await explained(shop))["ON_HAND", None]

    assert [(one["kind"], one["quantity"], one["id"]) for one in uncounted["references"]] == [("MOVEMENTS", 10, None)]
    assert [(one["kind"], one["quantity"]) for one in counted["references"]] == [("COUNT", 8), ("MOVEMENTS", -2)]
    assert (counted["total"], counted["references"][0]["label"]) == (2, "count:monday")
    assert await node(shop, counted["references"][0]["id"]) == {
        "__typename": "StockMovement",
        "reason": "COUNT",
        "quantity": 8,
    }


async def test_a_stocktake_of_an_earlier_time_can_be_the_last_count(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)
    async with shop.hub.database.reading() as session:
        counted_at = await session.fetchval("SELECT clock_timestamp()")
    await adjust_stock(shop, ("TEA", "S1", -4))
    for at, counted in ((counted_at, 9), (counted_at.replace(year=2020), 99)):
        await shop.staff.mutate(
            "mutation ($i: StockCountInput!) { stockCountSubmit(input: $i) { errors { code } } }",
            i={
                "location": shop.code("S1"),
                "lines": [{"sku": shop.sku("TEA"), "counted": counted}],
                "countedAt": at.isoformat(),
                "idempotencyKey": f"of-{at.year}",
            },
        )

    references = (await explained(shop))["ON_HAND", None]["references"]

    assert [(one["kind"], one["quantity"]) for one in references] == [("COUNT", 9), ("MOVEMENTS", -4)]
    assert references[0]["label"] == f"count:of-{counted_at.year}"


async def test_committed_units_name_their_orders(shop: Shop) -> None:
    await shop.receive(TEA_S1=10, POT_S1=5)
    first, second = await place_pickup_order(shop, "TEA", 2), await place_pickup_order(shop, "TEA", 3)
    await place_pickup_order(shop, "POT", 1)

    term = (await explained(shop))["COMMITTED", None]

    assert (term["quantity"], term["total"]) == (5, 2)
    assert [(one["kind"], one["label"], one["quantity"]) for one in term["references"]] == [
        ("FULFILLMENT", first["number"], 2),
        ("FULFILLMENT", second["number"], 3),
    ]
    assert await node(shop, term["references"][0]["id"]) == {"__typename": "Fulfillment", "status": "ALLOCATED"}


async def test_reserved_units_name_the_end_of_the_hold_and_no_cart(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)
    guest = shop.guest("app")
    chosen = await shop.set_fulfillment(guest, await shop.create_cart(guest, TEA=2), "PICKUP", location="S1")
    await shop.check_out(guest, chosen["cart"], token="timeout", email="hana@example.com")

    term = (await explained(shop))["RESERVED", None]

    assert (term["quantity"], term["total"]) == (2, 1)
    (hold,) = term["references"]
    async with shop.hub.database.reading() as session:
        until = await session.fetchval(
            "SELECT expires_at FROM hold WHERE (variant_id, location_id) = ($1, $2)",
            *await level_ids(shop, "TEA", "S1"),
        )
    assert (hold["id"], hold["kind"], hold["quantity"], hold["at"]) == (None, "HOLD", 2, until.isoformat())


async def test_returns_the_first_rows_and_the_total(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain, "ROWS_MAX", 2)
    await shop.receive(TEA_S1=10)
    orders = [await place_pickup_order(shop, "TEA", 1) for _ in range(3)]

    term = (await explained(shop))["COMMITTED", None]

    assert (term["quantity"], term["total"]) == (3, 3)
    assert [one["label"] for one in term["references"]] == [order["number"] for order in orders[:2]]


async def test_terms_and_rows_are_read_in_one_snapshot(shop: Shop) -> None:
    await shop.receive(TEA_S1=50)
    ordering = asyncio.gather(*(place_pickup_order(shop, "TEA", 1) for _ in range(12)))

    found = []
    while not ordering.done():
        found.append((await explained(shop, quiet=False))["COMMITTED", None])
    await ordering

    for term in found:
        assert sum(one["quantity"] for one in term["references"]) == term["quantity"] == term["total"]
    assert (await explained(shop))["COMMITTED", None]["total"] == 12


async def test_a_page_of_levels_is_explained_in_as_many_statements_as_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    for owner, name in (
        (explain, "states_by_level"),
        (explain, "counts_by_level"),
        (explain, "holds_by_level"),
        (fulfillments, "promises_by_level"),
    ):
        monkeypatch.setattr(owner, name, counting(getattr(owner, name), asked))
    await shop.receive(TEA_S1=1, POT_S1=2, CUP_S1=3)

    data = await shop.staff.execute(LEVELS, l=shop.code("S1"), s=[shop.sku(name) for name in ("TEA", "POT", "CUP")])

    levels = [edge["node"] for edge in data["stockLevels"]["edges"]]
    assert sorted((one["variant"]["sku"].split("-")[0], one["available"]) for one in levels) == [
        ("CUP", 3),
        ("POT", 2),
        ("TEA", 1),
    ]
    # unavailableByState reads the states once more.
    assert asked == [3] * 5


def counting(read: Any, asked: list[int]) -> Any:
    async def counted(session: Session, keys: list[tuple[int, int]], **given: Any) -> dict[Any, list[Row]]:
        asked.append(len(keys))
        return await read(session, keys, **given)  # type: ignore[no-any-return]

    return counted
