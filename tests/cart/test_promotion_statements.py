"""The cost of promotions: no additional statement, and each cart's candidates are read once."""

from __future__ import annotations

from tests.support import cart_calls, promotion_calls
from tests.support.shop import Shop
from uriba.cart import lines, queries
from uriba.cart.lines import NewLine
from uriba.core.actor import SYSTEM


async def test_adding_to_a_cart_with_promotions_and_a_coupon_is_two_statements(shop: Shop) -> None:
    await promotion_calls.create_promotion(shop, "TEAS", items={"skus": [shop.sku("TEA")]}, priority=1)
    code = await promotion_calls.create_coupon(
        shop, "C", await promotion_calls.create_promotion(shop, "C", needsCoupon=True)
    )
    guest = shop.guest("app")
    cart = await shop.create_cart(guest, TEA=1)
    await promotion_calls.add_coupon(guest, cart, code)
    statements: list[str] = []

    async with shop.hub.database.transaction() as session:
        wanted = [NewLine(shop.sku(name), None, 1) for name in ("TEA", "POT", "CUP")]
        with session.driver.query_logger(lambda record: statements.append(record.query)):
            view = await lines.add(session, actor=SYSTEM, cart_id=cart_calls.key(cart), lines=wanted)

    assert len(statements) == 2, statements
    assert [verdict.promotion.code for verdict in view.quote.applied] == [shop.code("TEAS"), shop.code("C")]
    assert (await promotion_calls.read_offers(guest, cart))["total"]["amount"] == str(view.quote.total_minor)


async def test_promotion_candidates_are_read_with_the_first_line_only(shop: Shop) -> None:
    await promotion_calls.create_promotion(shop, "ALL")
    guest = shop.guest("app")
    carts = [cart_calls.key(await shop.create_cart(guest, TEA=1, POT=1, CUP=1)) for _ in range(2)]

    async with shop.hub.database.reading() as session:
        rows = await session.fetch(queries._CARTS, ids=carts, actor_customer_id=None, actor_works_here=True)

    assert [row["candidates"] is not None for row in rows] == [True, False, False] * 2


async def test_conditions_of_coupons_not_in_the_cart_are_not_read(shop: Shop) -> None:
    await promotion_calls.create_promotion(shop, "ASKED", needsCoupon=True, items={"skus": [shop.sku("TEA")]})
    await promotion_calls.create_promotion(shop, "GIVEN", items={"skus": [shop.sku("TEA"), shop.sku("POT")]})
    guest = shop.guest("app")
    cart = await shop.create_cart(guest, TEA=1)

    async with shop.hub.database.reading() as session:
        view = await queries.one(session, cart_calls.key(cart), actor=SYSTEM)

    assert view is not None
    assert view.candidates is not None
    assert [offer.promotion.code for offer in view.candidates.candidates] == [shop.code("GIVEN")]
    assert len(view.lines[0].traits.named_by) == 1


async def test_promotions_of_other_channels_are_not_read(shop: Shop) -> None:
    await promotion_calls.create_promotion(shop, "WEBONLY", channels=[shop.code("web")])
    guest = shop.guest("app")
    cart = await shop.create_cart(guest, TEA=1)

    async with shop.hub.database.reading() as session:
        view = await queries.one(session, cart_calls.key(cart), actor=SYSTEM)

    assert view is not None
    assert view.candidates is None
