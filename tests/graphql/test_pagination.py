"""Pages by cursor: all rows, each once, in one order, even while rows are added."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.client import Client
from tests.support.shop import ADDRESS, ERRORS, Shop, open_shop

if TYPE_CHECKING:
    from tests.support.api_scenario import Scenario
    from tests.support.hub import RunningHub

INFO = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"


@dataclass(frozen=True)
class ConnectionCase:
    """A connection: its field with the arguments that select the test's rows, and the caller that reads it."""

    field: str
    arguments: dict[str, str]
    caller: str = "guest"

    def document(self, names: dict[str, str]) -> str:
        arguments = "".join(f'{name}: "{names[value]}", ' for name, value in self.arguments.items())
        return (
            f"query ($n: Int, $a: String) {{ page: {self.field}({arguments}first: $n, after: $a) "
            f"{{ edges {{ cursor node {{ id }} }} {INFO} }} }}"
        )


WALKS = {
    "products": ConnectionCase("products", {"category": "category"}),
    "products by words": ConnectionCase("products", {"search": "mark"}),
    "locations": ConnectionCase("locations", {}),
    "orders": ConnectionCase("orders", {"location": "S1"}, "staff"),
    "stockLevels": ConnectionCase("stockLevels", {"location": "S1"}, "staff"),
}


@pytest.fixture(scope="module")
async def filled(hub: RunningHub) -> AsyncIterator[tuple[Shop, dict[str, str]]]:
    """A shop for reading only, filled once."""
    shop = await open_shop(hub)
    yield shop, await fill(shop)
    await shop.close()


async def fill(shop: Shop) -> dict[str, str]:
    """Add seven products of one category, seven levels and seven orders at S1."""
    names = {"category": shop.code("ObjectIds"), "mark": shop.suffix, "S1": shop.code("S1")}
    goods = [f"G{n}" for n in range(7)]
    await add_goods(shop, goods)
    await shop.receive(**{f"{name}_S1": 1 for name in goods})
    till = await shop.terminal()
    for name in goods:
        paid = await shop.check_out(till, await shop.create_cart(till, **{name: 1}), method="CASH")
        assert paid["order"], paid
    return names


async def add_goods(shop: Shop, names: list[str]) -> None:
    variants = {name: [{"sku": shop.sku(name), "name": name}] for name in names}
    products = [
        {
            "handle": shop.code(name.lower()),
            "name": f"{name} {shop.suffix}",
            "category": shop.code("ObjectIds"),
            "variants": variants[name],
        }
        for name in names
    ]
    prices = [
        {"sku": shop.sku(name), "channel": shop.code("stores"), "amount": {"amount": "100", "currency": "JPY"}}
        for name in names
    ]
    data = await shop.staff.execute(
        f"""mutation ($p: [ProductInput!]!, $r: [PriceInput!]!) {{
            productsUpsert(products: $p) {{ {ERRORS} }} pricesUpsert(prices: $r) {{ {ERRORS} }} }}""",
        p=products,
        r=prices,
    )
    assert not any(payload["errors"] for payload in data.values()), data


async def page(client: Client, document: str, size: int, after: str | None) -> dict[str, Any]:
    """Return a page, with consistent cursors and page info."""
    found: dict[str, Any] = (await client.execute(document, n=size, a=after))["page"]
    cursors, info = [edge["cursor"] for edge in found["edges"]], found["pageInfo"]
    assert len(cursors) <= size
    assert info["hasNextPage"] in (True, False)
    assert info["hasPreviousPage"] is (after is not None)
    assert (info["startCursor"], info["endCursor"]) == ((cursors[0], cursors[-1]) if cursors else (None, None))
    return found


async def read_all(client: Client, document: str, size: int) -> list[str]:
    """Return the ids of all rows, read page by page."""
    ids: list[str] = []
    after: str | None = None
    while True:
        found = await page(client, document, size, after)
        ids += [edge["node"]["id"] for edge in found["edges"]]
        after = found["pageInfo"]["endCursor"]
        if not found["pageInfo"]["hasNextPage"]:
            return ids
        assert len(found["edges"]) == size


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("name", ["products", "products by words", "orders", "stockLevels"])
async def test_yields_every_row_once(filled: tuple[Shop, dict[str, str]], name: str, size: int) -> None:
    shop, names = filled
    client = shop.staff if WALKS[name].caller == "staff" else shop.guest()
    document = WALKS[name].document(names)

    whole = await read_all(client, document, 100)
    paged = await read_all(client, document, size)

    assert paged == whole
    assert len(set(whole)) == len(whole) == 7


async def test_yields_every_location_once(scenario: Scenario) -> None:
    document = WALKS["locations"].document({})

    whole = await read_all(scenario["guest"], document, 100)

    assert await read_all(scenario["guest"], document, 7) == whole
    assert len(set(whole)) == len(whole) >= 3


async def test_yields_every_movement_once_newest_first(shop: Shop) -> None:
    for _ in range(7):
        await shop.receive(TEA_S1=1)
    level = (await shop.stock_level("TEA", "S1"))["id"]
    document = (
        f'query ($n: Int, $a: String) {{ node(id: "{level}") {{ ... on StockLevel {{ movements(first: $n, after: $a) '
        f"{{ edges {{ cursor node {{ id recordedAt }} }} {INFO} }} }} }} }}"
    )

    seen: list[dict[str, str]] = []
    after, more = None, True
    while more:
        found = (await shop.staff.execute(document, n=3, a=after))["node"]["movements"]
        seen += [edge["node"] for edge in found["edges"]]
        after, more = found["pageInfo"]["endCursor"], found["pageInfo"]["hasNextPage"]

    assert len({movement["id"] for movement in seen}) == len(seen) == 7
    times = [movement["recordedAt"] for movement in seen]
    assert times == sorted(times, reverse=True)


async def test_rows_added_between_pages_shift_no_page(shop: Shop) -> None:
    names = await fill(shop)
    documents = [WALKS[name].document(names) for name in ("products", "orders", "stockLevels")]
    wholes = [await read_all(shop.staff, document, 100) for document in documents]
    firsts = [await page(shop.staff, document, 3, None) for document in documents]

    await add_goods(shop, ["NEW"])
    await shop.receive(NEW_S1=2)
    till = await shop.terminal()
    await shop.check_out(till, await shop.create_cart(till, NEW=1), method="CASH")
    rests = [
        await page(shop.staff, document, 100, first["pageInfo"]["endCursor"])
        for document, first in zip(documents, firsts, strict=True)
    ]

    for whole, first, rest in zip(wholes, firsts, rests, strict=True):
        read = [edge["node"]["id"] for found in (first, rest) for edge in found["edges"]]
        assert [node_id for node_id in read if node_id in whole] == whole
        assert len(set(read)) == len(read)


async def test_orders_are_newest_first(filled: tuple[Shop, dict[str, str]]) -> None:
    shop, names = filled
    query = "query ($l: String) { orders(location: $l) { edges { node { placedAt } } } }"

    data = await shop.staff.execute(query, l=names["S1"])

    times = [edge["node"]["placedAt"] for edge in data["orders"]["edges"]]
    assert times == sorted(times, reverse=True)


async def test_a_customers_orders_are_paged(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    hana, numbers = await shop.customer(), []
    for _ in range(3):
        cart = await shop.set_fulfillment(hana, await shop.create_cart(hana, TEA=1), "SHIP", address=ADDRESS)
        numbers.append((await shop.check_out(hana, cart["cart"]))["order"]["number"])
    document = f"""query ($a: String) {{
        me {{ orders(first: 2, after: $a) {{ edges {{ node {{ number }} }} {INFO} }} }} }}"""

    first = (await hana.execute(document))["me"]["orders"]
    rest = (await hana.execute(document, a=first["pageInfo"]["endCursor"]))["me"]["orders"]

    assert [edge["node"]["number"] for edge in (*first["edges"], *rest["edges"])] == numbers[::-1]
    assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)
