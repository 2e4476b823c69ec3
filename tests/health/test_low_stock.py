"""Low stock: an alert opens when a level falls to the threshold and closes above twice the threshold."""

from __future__ import annotations

from tests.support.alert_sweeps import alert_events, alert_statuses, alerts_about, remove_stock, run_alert_sweeps
from tests.support.shop import Shop
from uriba.core.ids import local_id


async def level_subject(shop: Shop, sku: str = "TEA") -> str:
    return f"StockLevel:{local_id((await shop.stock_level(sku, 'S1'))['id'], 'StockLevel')}"


async def test_a_level_that_falls_opens_one_alert_until_it_is_above_twice_the_threshold(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)
    await run_alert_sweeps(shop)
    tea = await level_subject(shop)
    assert await alerts_about(shop, tea) == []

    for gone, expected in ((4, []), (1, ["OPEN"]), (2, ["OPEN"])):
        await remove_stock(shop, TEA_S1=gone)
        await run_alert_sweeps(shop)
        assert await alert_statuses(shop, tea) == expected
    (alert,) = await alerts_about(shop, tea, "LOW_STOCK")
    await shop.receive(TEA_S1=7)
    await run_alert_sweeps(shop)
    wavering = await alert_statuses(shop, tea)
    await shop.receive(TEA_S1=1)
    await run_alert_sweeps(shop)

    assert (alert["value"], alert["threshold"], alert["location"]) == (5, 5, {"code": shop.code("S1")})
    assert wavering == ["OPEN"]
    assert await alert_statuses(shop, tea) == ["CLOSED"]
    assert [kind for kind, _, _ in await alert_events(shop, alert["id"])] == ["alert.opened", "alert.closed"]
    await remove_stock(shop, TEA_S1=9)
    await run_alert_sweeps(shop)
    assert await alert_statuses(shop, tea) == ["CLOSED", "OPEN"]


async def test_a_level_that_was_always_low_or_recovered_before_the_scan_opens_no_alert(shop: Shop) -> None:
    await shop.receive(TEA_S1=3, POT_S1=20)
    await run_alert_sweeps(shop)
    await remove_stock(shop, TEA_S1=1, POT_S1=18)
    await shop.receive(POT_S1=10)
    await run_alert_sweeps(shop)

    assert await alert_statuses(shop, await level_subject(shop)) == []
    assert await alert_statuses(shop, await level_subject(shop, "POT")) == []


async def test_promises_lower_a_level_as_sales_do(shop: Shop) -> None:
    await shop.receive(TEA_S1=7)
    await run_alert_sweeps(shop)
    cart = await shop.create_cart(shop.guest(), TEA=3)
    cart = (await shop.set_fulfillment(shop.guest(), cart, "PICKUP", location="S1"))["cart"]
    assert (await shop.check_out(shop.guest(), cart))["order"]
    await run_alert_sweeps(shop)

    (alert,) = await alerts_about(shop, await level_subject(shop))
    assert (alert["status"], alert["value"]) == ("OPEN", 4)
