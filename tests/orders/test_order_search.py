"""Orders are found by everything that people know of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.shop import Shop

QUERY = """query ($number: String, $customer: String, $channel: String, $location: String, $status: OrderStatus,
    $payment: PaymentStatus, $from: DateTime, $to: DateTime, $receipt: String, $after: String, $first: Int) {
    orders(number: $number, customer: $customer, channel: $channel, location: $location, status: $status,
        paymentStatus: $payment, placedFrom: $from, placedTo: $to, receipt: $receipt, after: $after, first: $first) {
        edges { cursor node { number } } pageInfo { hasNextPage } } }"""


async def numbers(client: Client, **given: Any) -> list[str]:
    found = (await client.execute(QUERY, **given))["orders"]
    return [edge["node"]["number"] for edge in found["edges"]]


@pytest.fixture
async def sold(shop: Shop) -> dict[str, str]:
    """Place Hana's pickup on the web and a guest's sale at the till of S1; return their numbers."""
    await shop.receive(TEA_S1=5)
    hana, till = await shop.customer("HANA", channel="web"), await shop.terminal("S1")
    chosen = await shop.set_fulfillment(hana, await shop.create_cart(hana, "web", TEA=1), "PICKUP", location="S1")
    waiting = await shop.check_out(hana, chosen["cart"])
    carried = await shop.check_out(
        till,
        await shop.create_cart(till, TEA=1),
        method="CASH",
        email=f"guest@{shop.suffix}.example",
        phone="+81 3-1234-5678",
    )
    return {"web": waiting["order"]["number"], "till": carried["order"]["number"]}


async def test_each_condition_finds_its_orders(shop: Shop, sold: dict[str, str]) -> None:
    staff, mail = shop.staff, f"Guest@{shop.suffix}.example"
    soon, ago = datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) - timedelta(hours=1)

    assert await numbers(staff, number=sold["web"]) == [sold["web"]]
    assert await numbers(staff, customer=shop.code("HANA")) == [sold["web"]]
    assert await numbers(staff, customer=mail) == [sold["till"]]
    assert await numbers(staff, customer="+81 3 1234 5678", channel=shop.code("stores")) == [sold["till"]]
    assert await numbers(staff, channel=shop.code("web")) == [sold["web"]]
    assert await numbers(staff, location=shop.code("S1")) == [sold["till"]]
    assert await numbers(staff, channel=shop.code("web"), status="COMPLETED") == []
    assert await numbers(staff, channel=shop.code("web"), payment="PAID") == [sold["web"]]
    assert await numbers(staff, channel=shop.code("web"), **{"from": soon.isoformat()}) == []
    assert await numbers(staff, channel=shop.code("web"), to=ago.isoformat()) == []
    assert await numbers(staff, channel=shop.code("web"), **{"from": ago.isoformat()}, to=soon.isoformat()) == [
        sold["web"]
    ]
    assert await numbers(staff, customer="nobody") == []


async def test_pages_continue_within_a_search(shop: Shop) -> None:
    await shop.receive(TEA_S1=3)
    till = await shop.terminal("S1")
    placed = [
        (await shop.check_out(till, await shop.create_cart(till, TEA=1), method="CASH"))["order"]["number"]
        for _ in range(3)
    ]
    first = (await till.execute(QUERY, location=shop.code("S1"), first=2))["orders"]

    rest = await numbers(till, location=shop.code("S1"), first=2, after=first["edges"][-1]["cursor"])

    assert [edge["node"]["number"] for edge in first["edges"]] + rest == placed[::-1]
