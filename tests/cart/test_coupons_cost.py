"""What promotions cost a cart: no statement more, and each cart is sent what it is offered once."""

from __future__ import annotations

import baskets
import campaigns

from shop import Shop
from uriba.cart import lines, queries
from uriba.cart.lines import NewLine
from uriba.core.actor import SYSTEM


async def test_adding_to_a_cart_with_promotions_and_a_coupon_is_two_statements(shop: Shop) -> None:
    await campaigns.promote(shop, "TEAS", items={"skus": [shop.sku("TEA")]}, priority=1)
    code = await campaigns.issue(shop, "C", await campaigns.promote(shop, "C", needsCoupon=True))
    guest = shop.guest("app")
    cart = await shop.cart(guest, TEA=1)
    await campaigns.ask(guest, cart, code)
    said: list[str] = []

    async with shop.hub.database.transaction() as session:
        wanted = [NewLine(shop.sku(name), None, 1) for name in ("TEA", "POT", "CUP")]
        with session.driver.query_logger(lambda record: said.append(record.query)):
            view = await lines.add(session, actor=SYSTEM, cart_id=baskets.key(cart), lines=wanted)

    assert len(said) == 2, said
    assert [verdict.promotion.code for verdict in view.quote.applied] == [shop.code("TEAS"), shop.code("C")]
    assert (await campaigns.look(guest, cart))["total"]["amount"] == str(view.quote.total_minor)


async def test_what_a_cart_is_offered_comes_with_its_first_line_only(shop: Shop) -> None:
    await campaigns.promote(shop, "ALL")
    guest = shop.guest("app")
    carts = [baskets.key(await shop.cart(guest, TEA=1, POT=1, CUP=1)) for _ in range(2)]

    async with shop.hub.database.reading() as session:
        rows = await session.fetch(queries._CARTS, ids=carts, actor_customer_id=None, actor_works_here=True)

    assert [row["candidates"] is not None for row in rows] == [True, False, False] * 2


async def test_goods_that_only_coupons_of_others_name_are_not_sent(shop: Shop) -> None:
    await campaigns.promote(shop, "ASKED", needsCoupon=True, items={"skus": [shop.sku("TEA")]})
    await campaigns.promote(shop, "GIVEN", items={"skus": [shop.sku("TEA"), shop.sku("POT")]})
    guest = shop.guest("app")
    cart = await shop.cart(guest, TEA=1)

    async with shop.hub.database.reading() as session:
        view = await queries.one(session, baskets.key(cart), actor=SYSTEM)

    assert view is not None
    assert view.candidates is not None
    assert [offer.promotion.code for offer in view.candidates.candidates] == [shop.code("GIVEN")]
    assert len(view.lines[0].traits.named_by) == 1


async def test_a_hub_s_other_shops_offer_nothing_here(shop: Shop) -> None:
    await campaigns.promote(shop, "WEBONLY", channels=[shop.code("web")])
    guest = shop.guest("app")
    cart = await shop.cart(guest, TEA=1)

    async with shop.hub.database.reading() as session:
        view = await queries.one(session, baskets.key(cart), actor=SYSTEM)

    assert view is not None
    assert view.candidates is None
