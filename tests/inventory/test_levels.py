"""Queries of levels and movements by terminals, apps and staff."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Any

import asyncpg
import pytest

from tests.support.client import Refused
from tests.support.shop import Shop
from tests.support.stock_calls import LEVEL, adjust_stock, level_ids, place_pickup_order, set_stock

LEVELS = f"""query ($l: String, $s: [String!], $n: Int, $a: String) {{
    stockLevels(location: $l, skus: $s, first: $n, after: $a) {{
        edges {{ cursor node {{ {LEVEL} }} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"""
MOVEMENTS = """query ($i: ID!, $n: Int, $a: String) { node(id: $i) { ... on StockLevel {
    movements(first: $n, after: $a) { edges { cursor node { id reason onHandDelta occurredAt recordedAt } }
        pageInfo { hasNextPage endCursor } } } } }"""


async def test_available_is_on_hand_minus_all_other_buckets(shop: Shop) -> None:
    await shop.receive(TEA_S1=20)
    await set_stock(shop, ("TEA", "S1", {"onHand": 20, "safetyStock": 3}))
    await place_pickup_order(shop, "TEA", 4)

    level = await shop.stock_level("TEA", "S1")

    assert (level["onHand"], level["committed"], level["safetyStock"], level["available"]) == (20, 4, 3, 13)


async def test_movements_are_paged_newest_first(shop: Shop) -> None:
    for delta in (1, 2, 3, 4, 5):
        await adjust_stock(shop, ("TEA", "S1", delta))
    level = await shop.stock_level("TEA", "S1")

    deltas, after = [], None
    for _ in range(3):
        page = (await shop.staff.execute(MOVEMENTS, i=level["id"], n=2, a=after))["node"]["movements"]
        deltas.append([edge["node"]["onHandDelta"] for edge in page["edges"]])
        after = page["pageInfo"]["endCursor"]

    assert deltas == [[5, 4], [3, 2], [1]]
    assert page["pageInfo"]["hasNextPage"] is False


async def test_movements_of_an_order_have_its_reference(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)

    order = await place_pickup_order(shop, "TEA", 2)

    moved = [edge["node"] for edge in (await shop.stock_level("TEA", "S1"))["movements"]["edges"]]
    assert [row["reason"] for row in moved][-1] == "RECEIPT"
    assert sum(row["committedDelta"] for row in moved) == 2
    assert sum(row["reservedDelta"] for row in moved) == 0
    assert all(row["actor"] == "anonymous" for row in moved[:-1])
    assert order["number"] and moved[0]["reference"].startswith("order:")


async def test_levels_are_filtered_by_location_and_skus(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, TEA_S2=2, POT_S1=3)

    async def found(**given: Any) -> set[tuple[str, str, int]]:
        rows = (await shop.staff.execute(LEVELS, **given))["stockLevels"]["edges"]
        return {(r["node"]["variant"]["sku"], r["node"]["location"]["code"], r["node"]["onHand"]) for r in rows}

    tea, pot = shop.sku("TEA"), shop.sku("POT")
    s1, s2 = shop.code("S1"), shop.code("S2")
    assert await found(l=s1) == {(tea, s1, 1), (pot, s1, 3)}
    assert await found(s=[tea]) == {(tea, s1, 1), (tea, s2, 2)}
    assert await found(l=s2, s=[tea, pot, "unknown"]) == {(tea, s2, 2)}
    assert await found(s=["unknown"]) == set()
    assert await found(s=[]) == set()


async def test_pages_of_levels_have_no_gaps_and_no_duplicates(shop: Shop) -> None:
    await shop.receive(**{f"{sku}_{place}": 1 for sku in ("TEA", "POT", "CUP") for place in ("S1", "S2", "W1")})
    skus = [shop.sku(sku) for sku in ("TEA", "POT", "CUP")]

    ids: list[str] = []
    after, more = None, True
    while more:
        page = (await shop.staff.execute(LEVELS, s=skus, n=4, a=after))["stockLevels"]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        ids += [edge["node"]["id"] for edge in page["edges"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]

    whole = (await shop.staff.execute(LEVELS, s=skus))["stockLevels"]["edges"]
    assert ids == [edge["node"]["id"] for edge in whole]
    assert len(set(ids)) == 9


async def test_refuses_an_unknown_location_and_invalid_page_sizes(shop: Shop) -> None:
    for given, code in (
        ({"l": "nowhere"}, "NOT_FOUND"),
        ({"n": 101}, "INVALID"),
        ({"n": -1}, "INVALID"),
        ({"s": ["x"] * 1_001}, "LIMIT_EXCEEDED"),
    ):
        with pytest.raises(Refused) as refused:
            await shop.staff.execute(LEVELS, **given)
        assert refused.value.codes == [code], given


@pytest.mark.parametrize(
    "key", ["", "1", "1:2:3", "a:b", "-1:2", "9999999999999999999:1", "1:9999999999999999999", "1: 2"]
)
async def test_refuses_an_invalid_cursor(shop: Shop, key: str) -> None:
    with pytest.raises(Refused) as refused:
        await shop.staff.execute(LEVELS, a=urlsafe_b64encode(key.encode()).decode())

    assert refused.value.codes == ["INVALID"]


async def test_only_the_retailer_reads_levels(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    allowed = [await shop.terminal(), await shop.app()]
    refused = [(await shop.customer(), "FORBIDDEN"), (shop.guest(), "UNAUTHENTICATED")]
    on_variant = "query ($s: String) { variant(sku: $s) { stockLevels { edges { node { onHand } } } } }"

    for caller in allowed:
        assert len((await caller.execute(LEVELS, l=shop.code("S1")))["stockLevels"]["edges"]) == 1
        assert (await caller.execute(on_variant, s=shop.sku("TEA")))["variant"]["stockLevels"]["edges"] == [
            {"node": {"onHand": 1}}
        ]
    for caller, code in refused:
        for query, given in ((LEVELS, {"l": shop.code("S1")}), (on_variant, {"s": shop.sku("TEA")})):
            answer = await caller.post(query, **given)
            assert answer["errors"][0]["extensions"]["code"] == code


@pytest.mark.parametrize("statement", ["UPDATE stock_movement SET quantity = 0", "DELETE FROM stock_movement"])
async def test_movements_cannot_be_changed_or_deleted(shop: Shop, statement: str) -> None:
    await shop.receive(TEA_S1=1)
    level = await level_ids(shop, "TEA", "S1")

    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        async with shop.hub.database.transaction() as session:
            await session.run(f"{statement} WHERE (variant_id, location_id) = ($1, $2)", *level)

    assert len((await shop.stock_level("TEA", "S1"))["movements"]["edges"]) == 1
