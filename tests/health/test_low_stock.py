"""Low stock: told when a level falls, not while it is low, and closed once there is clearly more."""

from __future__ import annotations

from watching import about, look, remove, statuses, told

from shop import Shop
from uriba.core.ids import local_id


async def subject(shop: Shop, sku: str = "TEA") -> str:
    return f"StockLevel:{local_id((await shop.level(sku, 'S1'))['id'], 'StockLevel')}"


async def test_a_level_that_falls_is_told_once_until_there_is_clearly_more(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)
    await look(shop)
    tea = await subject(shop)
    assert await about(shop, tea) == []

    for gone, expected in ((4, []), (1, ["OPEN"]), (2, ["OPEN"])):
        await remove(shop, TEA_S1=gone)
        await look(shop)
        assert await statuses(shop, tea) == expected
    (alert,) = await about(shop, tea, "LOW_STOCK")
    await shop.receive(TEA_S1=7)
    await look(shop)
    wavering = await statuses(shop, tea)
    await shop.receive(TEA_S1=1)
    await look(shop)

    assert (alert["value"], alert["threshold"], alert["location"]) == (5, 5, {"code": shop.code("S1")})
    assert wavering == ["OPEN"]
    assert await statuses(shop, tea) == ["CLOSED"]
    assert [kind for kind, _, _ in await told(shop, alert["id"])] == ["alert.opened", "alert.closed"]
    await remove(shop, TEA_S1=9)
    await look(shop)
    assert await statuses(shop, tea) == ["CLOSED", "OPEN"]


async def test_what_was_always_low_and_what_recovered_before_anybody_looked_is_no_news(shop: Shop) -> None:
    await shop.receive(TEA_S1=3, POT_S1=20)
    await look(shop)
    await remove(shop, TEA_S1=1, POT_S1=18)
    await shop.receive(POT_S1=10)
    await look(shop)

    assert await statuses(shop, await subject(shop)) == []
    assert await statuses(shop, await subject(shop, "POT")) == []


async def test_promises_make_stock_low_as_sales_do(shop: Shop) -> None:
    await shop.receive(TEA_S1=7)
    await look(shop)
    cart = await shop.cart(shop.guest(), TEA=3)
    cart = (await shop.fulfil(shop.guest(), cart, "PICKUP", location="S1"))["cart"]
    assert (await shop.check_out(shop.guest(), cart))["order"]
    await look(shop)

    (alert,) = await about(shop, await subject(shop))
    assert (alert["status"], alert["value"]) == ("OPEN", 4)
