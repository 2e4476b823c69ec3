"""Totals of an order: tax inside or outside the price, rounded once per rate, and payments that must add up."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.checkout_calls import card, cart_to_pick_up, cart_to_ship, cash, codes_and_paths, pay, read
from tests.support.shop import ADDRESS, CART, ERRORS, Shop


async def open_channel(shop: Shop, code: str, **given: Any) -> None:
    """Create another channel, in yen by default, with the shop's rates and prices for TEA and POT."""
    channel = {
        "code": shop.code(code),
        "name": code.title(),
        "kind": "WEB",
        "currency": "JPY",
        "locations": [shop.code("W1"), shop.code("S1")],
        "taxRates": [{"taxClass": "standard", "rate": "0.10"}, {"taxClass": "reduced", "rate": "0.08"}],
    } | given
    payload = await shop.staff.mutate(
        f"mutation ($c: [ChannelInput!]!) {{ channelsUpsert(channels: $c) {{ count {ERRORS} }} }}", c=[channel]
    )
    assert not payload["errors"], payload


async def price(shop: Shop, channel: str, currency: str = "JPY", **amounts: str) -> None:
    rows = [
        {"sku": shop.sku(name), "channel": shop.code(channel), "amount": {"amount": amount, "currency": currency}}
        for name, amount in amounts.items()
    ]
    payload = await shop.staff.mutate(
        f"mutation ($p: [PriceInput!]!) {{ pricesUpsert(prices: $p) {{ count {ERRORS} }} }}", p=rows
    )
    assert not payload["errors"], payload


def amounts(node: dict[str, Any]) -> dict[str, str]:
    return {name: node[name]["amount"] for name in ("subtotal", "tax", "shipping", "total")}


def taxes(order: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(t["rate"], t["taxable"]["amount"], t["tax"]["amount"]) for t in order["taxLines"]]


async def test_two_rates_inside_the_price(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, POT_S1=5)
    till = await shop.terminal("S1")
    cart = await shop.create_cart(till, TEA=2, POT=1)

    order = (await pay(till, cart, cash("4596")))["order"]

    assert amounts(order) == {"subtotal": "4596", "tax": "396", "shipping": "0", "total": "4596"}
    assert taxes(order) == [("0.1", "3000", "300"), ("0.08", "1200", "96")]
    assert amounts(cart) == amounts(order)


async def test_tax_is_rounded_once_per_rate_not_per_line(shop: Shop) -> None:
    await shop.receive(CUP_S1=2, CUP_W1=2)
    till = await shop.terminal("S1")
    cart = await shop.create_cart(till, CUP=1)
    chosen = await shop.set_fulfillment(till, cart, "SHIP", address=ADDRESS)
    cart = (await shop.add_lines(till, chosen["cart"], CUP=1))["cart"]
    assert [line["total"]["amount"] for line in cart["lines"]] == ["13582", "13582"]

    order = (await pay(till, cart, cash("27164")))["order"]

    # One line alone holds 1,234.7 of tax, rounded 1,235: two would make 2,470.
    assert taxes(order) == [("0.1", "24695", "2469")]
    assert amounts(order)["total"] == "27164"


@pytest.mark.parametrize(("rounding", "tax"), [("HALF_UP", "2469"), ("FLOOR", "2469"), ("CEIL", "2470")])
async def test_tax_is_rounded_by_the_rule_of_the_channel(shop: Shop, rounding: str, tax: str) -> None:
    await shop.receive(CUP_W1=2)
    await open_channel(shop, "round", taxRounding=rounding)
    await price(shop, "round", CUP="13582")
    guest = shop.guest("round")

    order = (await shop.check_out(guest, await cart_to_ship(shop, guest, CUP=2)))["order"]

    assert (amounts(order)["tax"], amounts(order)["total"]) == (tax, "27164")


@pytest.mark.parametrize(("rounding", "tax"), [("HALF_UP", "52"), ("FLOOR", "51"), ("CEIL", "52")])
async def test_tax_outside_the_price_is_added(shop: Shop, rounding: str, tax: str) -> None:
    await shop.receive(TEA_W1=5)
    await open_channel(shop, "net", pricesIncludeTax=False, taxRounding=rounding)
    await price(shop, "net", TEA="648")
    guest = shop.guest("net")
    cart = await cart_to_ship(shop, guest, TEA=1)

    order = (await shop.check_out(guest, cart))["order"]

    # 648 at 8 % is 51.84.
    assert amounts(order) == {"subtotal": "648", "tax": tax, "shipping": "0", "total": str(648 + int(tax))}
    assert taxes(order) == [("0.08", "648", tax)]
    assert amounts(cart) == amounts(order)


async def test_shipping_is_charged_once_and_taxed_as_standard_inside(shop: Shop) -> None:
    await shop.receive(TEA_W1=1, POT_S1=1)
    guest = shop.guest("web")

    order = (await shop.check_out(guest, await cart_to_ship(shop, guest, TEA=1, POT=1)))["order"]

    assert len(order["fulfillments"]) == 2
    assert amounts(order) == {"subtotal": "3948", "tax": "393", "shipping": "500", "total": "4448"}
    # 3,300 and 500 hold 345.45 at 10 %; 648 holds 48 at 8 %.
    assert taxes(order) == [("0.1", "3455", "345"), ("0.08", "600", "48")]


async def test_shipping_is_taxed_outside_where_prices_are(shop: Shop) -> None:
    await shop.receive(TEA_W1=1)
    await open_channel(shop, "net", pricesIncludeTax=False, shippingPrice="500")
    await price(shop, "net", TEA="648")
    guest = shop.guest("net")

    order = (await shop.check_out(guest, await cart_to_ship(shop, guest, TEA=1)))["order"]

    assert amounts(order) == {"subtotal": "648", "tax": "102", "shipping": "500", "total": "1250"}
    assert taxes(order) == [("0.1", "500", "50"), ("0.08", "648", "52")]


async def test_a_pickup_costs_no_shipping(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    guest = shop.guest("web")

    order = (await shop.check_out(guest, await cart_to_pick_up(shop, guest, TEA=1)))["order"]

    assert amounts(order) == {"subtotal": "648", "tax": "48", "shipping": "0", "total": "648"}


async def test_cents_are_kept_to_the_cent(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    rates = [{"taxClass": "reduced", "rate": "0.0825"}, {"taxClass": "standard", "rate": "0.0825"}]
    await open_channel(shop, "usa", currency="USD", pricesIncludeTax=False, shippingPrice="4.99", taxRates=rates)
    await price(shop, "usa", "USD", TEA="19.99")
    guest = shop.guest("usa")
    cart = await cart_to_ship(shop, guest, TEA=3)

    payload = await pay(
        guest,
        cart,
        expectedTotal={"amount": "70.32", "currency": "USD"},
        payments=[{"method": "TEST", "token": "ok", "amount": {"amount": "70.32", "currency": "USD"}}],
    )

    # (59.97 + 4.99) at 8.25 % is 5.3592.
    assert payload["errors"] == []
    assert amounts(payload["order"]) == {"subtotal": "59.97", "tax": "5.36", "shipping": "4.99", "total": "70.32"}


async def test_a_channel_without_rates_is_free_of_tax(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    await open_channel(shop, "free", taxRates=[], pricesIncludeTax=False)
    await price(shop, "free", TEA="648")
    guest = shop.guest("free")

    order = (await shop.check_out(guest, await cart_to_ship(shop, guest, TEA=1)))["order"]

    assert (amounts(order)["tax"], taxes(order)) == ("0", [("0", "648", "0")])


async def test_an_order_keeps_its_price_when_the_list_changes(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    phone = await shop.customer()
    order = (await shop.check_out(phone, await cart_to_ship(shop, phone, TEA=1)))["order"]

    await price(shop, "app", TEA="999")

    seen = await phone.execute("query ($n: String) { order(number: $n) { total { amount } } }", n=order["number"])
    assert seen["order"]["total"]["amount"] == "648"


async def test_an_outdated_expected_total_is_refused(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=1)
    seen = {"amount": cart["total"]["amount"], "currency": "JPY"}
    await price(shop, "app", TEA="700")

    refused = await shop.check_out(guest, cart, expectedTotal=seen)
    agreed = await shop.check_out(guest, cart, total="700", expectedTotal=seen | {"amount": "700"})

    assert codes_and_paths(refused) == [("PRICE_CHANGED", ["expectedTotal"])]
    assert refused["errors"][0]["message"] == (
        "The total is now 700 JPY. Show it to the customer, then check out again."
    )
    assert agreed["order"]["total"]["amount"] == "700"


@pytest.mark.parametrize("payments", [[], ["647"], ["649"], ["648", "1"], ["324", "323"]])
async def test_payments_that_do_not_add_up_are_refused(shop: Shop, payments: list[str]) -> None:
    await shop.receive(TEA_S1=9)
    till = await shop.terminal("S1")
    cart = await shop.create_cart(till, TEA=1)

    payload = await pay(till, cart, *(card(amount) if n else cash(amount) for n, amount in enumerate(payments)))

    assert codes_and_paths(payload) == [("PAYMENT_MISMATCH", ["payments"])]
    assert await read(till, cart) == cart


@pytest.mark.parametrize(
    ("amount", "currency", "code", "field"),
    [
        ("648", "USD", "CURRENCY_MISMATCH", "currency"),
        ("648.0", "JPY", "INVALID", "amount"),
        ("648.5", "JPY", "INVALID", "amount"),
        ("6e2", "JPY", "INVALID", "amount"),
        ("1,080", "JPY", "INVALID", "amount"),
        ("0", "JPY", "INVALID", "amount"),
        ("-648", "JPY", "INVALID", "amount"),
        ("９", "JPY", "INVALID", "amount"),
    ],
)
async def test_an_invalid_amount_is_refused(shop: Shop, amount: str, currency: str, code: str, field: str) -> None:
    await shop.receive(TEA_S1=9)
    till = await shop.terminal("S1")
    cart = await shop.create_cart(till, TEA=1)

    payload = await pay(till, cart, payments=[{"method": "CASH", "amount": {"amount": amount, "currency": currency}}])

    assert codes_and_paths(payload) == [(code, ["payments", "0", "amount", field])]
    assert await read(till, cart) == cart


async def test_more_than_the_maximum_of_payments_is_refused(shop: Shop) -> None:
    await shop.receive(TEA_S1=9)
    till = await shop.terminal("S1")
    cart = await shop.create_cart(till, TEA=1)

    payload = await pay(till, cart, *([cash("1")] * 21))

    assert codes_and_paths(payload) == [("LIMIT_EXCEEDED", ["payments"])]


async def test_goods_that_are_no_longer_sold_are_not_checked_out(shop: Shop) -> None:
    await shop.receive(TEA_S1=9, POT_S1=9)
    till = await shop.terminal("S1")
    cart = await shop.create_cart(till, POT=1, TEA=1)
    await shop.staff.mutate(
        f"mutation ($p: [ProductInput!]!) {{ productsUpsert(products: $p) {{ count {ERRORS} }} }}",
        p=[
            {
                "handle": shop.code("tea"),
                "name": "Tea",
                "variants": [{"sku": shop.sku("TEA"), "name": "Tea", "taxClass": "reduced", "discontinued": True}],
            }
        ],
    )

    payload = await pay(till, cart, cash("3948"))

    assert codes_and_paths(payload) == [("DISCONTINUED", ["lines", "1"])]
    assert payload["errors"][0]["message"] == "Tea is no longer sold here. Remove it from the cart."


async def test_a_cart_claimed_by_a_till_has_the_tills_prices(shop: Shop) -> None:
    await shop.receive(TEA_S1=9)
    await price(shop, "stores", TEA="600")
    guest, till = shop.guest("web"), await shop.terminal("S1")
    cart = await shop.create_cart(guest, TEA=1)
    code = (await guest.mutate("mutation ($c: ID!) { cartHandoff(cartId: $c) { code } }", c=cart["id"]))["code"]
    claimed = await till.mutate(f"mutation ($c: String!) {{ cartClaim(code: $c) {{ cart {{ {CART} }} }} }}", c=code)

    order = (await pay(till, claimed["cart"], cash("600")))["order"]

    assert (order["total"]["amount"], order["cartChannel"]["code"]) == ("600", shop.code("web"))
