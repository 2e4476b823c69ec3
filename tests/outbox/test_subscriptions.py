"""Subscriptions over WebSocket: the present state first, then the newest after every change."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.support.client import Refused
from tests.support.shop import CART, ERRORS, ORDER, Shop
from tests.support.waiting import wait_until
from uriba.access import keys
from uriba.outbox.hints import KEYS

CART_CHANGED = f"subscription ($c: ID!) {{ cartChanged(cartId: $c) {{ {CART} }} }}"
ORDER_CHANGED = f"subscription ($o: ID!) {{ orderChanged(orderId: $o) {{ {ORDER} }} }}"
STOCK_CHANGED = """subscription ($l: String, $s: [String!]) { stockChanged(location: $l, skus: $s) {
    onHand committed available variant { sku } location { code } } }"""
AVAILABILITY_CHANGED = """subscription ($c: String!, $s: [String!]!) { availabilityChanged(channel: $c, skus: $s) {
    sku price(channel: $c) { amount } availability { status quantity pickup { location { code } quantity } } } }"""
MERGE = f"mutation ($c: ID!) {{ cartMerge(fromCartId: $c) {{ cart {{ id }} {ERRORS} }} }}"


async def subscribers(shop: Shop) -> float:
    """Return the live subscriptions of the API process, from its metrics."""
    async with httpx.AsyncClient() as http:
        metrics = (await http.get(shop.hub.url.replace("/graphql", "/metrics"))).text
    (line,) = [line for line in metrics.splitlines() if line.startswith("uriba_subscribers ")]
    return float(line.split()[1])


async def test_yields_a_cart_first_and_after_every_change(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1)

    async with guest.subscribe(CART_CHANGED, c=cart["id"]) as subscription:
        first = await subscription.next()
        seen = []
        for _ in range(3):
            await shop.add_lines(guest, cart, TEA=1)
            seen.append(await subscription.next())

    assert first == cart
    assert [(state["version"] - cart["version"], state["quantity"]) for state in seen] == [(1, 2), (2, 3), (3, 4)]


async def test_yields_an_order_and_its_guests_cart_when_it_is_ordered(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1)
    chosen = await shop.set_fulfillment(guest, cart, "PICKUP", location="S1")

    async with guest.subscribe(CART_CHANGED, c=cart["id"]) as on_cart:
        await on_cart.next()
        paid = await shop.check_out(guest, chosen["cart"], email="hana@example.com")
        ordered = await on_cart.until(lambda state: state["status"] == "ORDERED")

    async with shop.staff.subscribe(ORDER_CHANGED, o=paid["order"]["id"]) as on_order:
        assert await on_order.next() == paid["order"]
    assert ordered["order"]["number"] == paid["order"]["number"]


async def test_yields_all_levels_first_and_then_each_that_changes(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, POT_S1=2, TEA_S2=9)
    till = await shop.terminal()

    async with till.subscribe(STOCK_CHANGED, l=shop.code("S1")) as subscription:
        present = [await subscription.next(), await subscription.next()]
        await shop.receive(TEA_S2=1)
        await shop.receive(CUP_S1=4)
        new = await subscription.next()
        await shop.receive(TEA_S1=1)
        changed = await subscription.next()

    assert {(row["variant"]["sku"], row["onHand"]) for row in present} == {(shop.sku("TEA"), 5), (shop.sku("POT"), 2)}
    assert (new["variant"]["sku"], new["onHand"]) == (shop.sku("CUP"), 4)
    assert (changed["variant"]["sku"], changed["onHand"]) == (shop.sku("TEA"), 6)


async def test_yields_more_levels_than_one_page_at_first(shop: Shop) -> None:
    names = [shop.sku(f"BULK{n}") for n in range(120)]
    products = [{"handle": sku, "name": sku, "variants": [{"sku": sku, "name": sku}]} for sku in names]
    await shop.staff.mutate(
        f"mutation ($p: [ProductInput!]!) {{ productsUpsert(products: $p) {{ count {ERRORS} }} }}", p=products
    )
    await shop.receive(**{f"BULK{n}_W1": 1 for n in range(120)})

    async with shop.staff.subscribe(STOCK_CHANGED, s=names) as subscription:
        seen = {(await subscription.next())["variant"]["sku"] for _ in range(120)}

    assert seen == set(names)


async def test_yields_availability_after_changes_at_any_location_of_the_channel(shop: Shop) -> None:
    await shop.receive(TEA_S1=4)
    seen: list[tuple[str, int, str]] = []

    async with shop.guest(None).subscribe(
        AVAILABILITY_CHANGED, c=shop.code("web"), s=[shop.sku("TEA")]
    ) as subscription:

        async def look() -> dict[str, Any]:
            state = await subscription.next()
            availability = state["availability"]
            seen.append((state["price"]["amount"], availability["quantity"], availability["status"]))
            return state  # type: ignore[no-any-return]

        await look()
        await shop.receive(POT_S1=1)
        await shop.receive(TEA_W1=10)
        await look()
        await shop.receive(TEA_S2=1)
        last = await look()

    assert seen == [("648", 4, "LOW_STOCK"), ("648", 14, "IN_STOCK"), ("648", 15, "IN_STOCK")]
    assert [row["location"]["code"] for row in last["availability"]["pickup"]] == [shop.code("S1"), shop.code("S2")]


@pytest.mark.parametrize(
    ("caller", "query", "variables", "code"),
    [
        ("guest", CART_CHANGED, {"c": "Q2FydDpub3RoaW5n"}, "NOT_FOUND"),
        ("guest", CART_CHANGED, {"c": "Q2FydDowMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDA="}, "NOT_FOUND"),
        ("staff", ORDER_CHANGED, {"o": "T3JkZXI6MQ=="}, "NOT_FOUND"),
        ("guest", STOCK_CHANGED, {}, "UNAUTHENTICATED"),
        ("staff", STOCK_CHANGED, {"l": "nowhere"}, "NOT_FOUND"),
        ("guest", AVAILABILITY_CHANGED, {"c": "nowhere", "s": ["x"]}, "NOT_FOUND"),
        ("guest", AVAILABILITY_CHANGED, {"c": "nowhere", "s": []}, "INVALID"),
    ],
)
async def test_refuses_what_cannot_be_subscribed_to(
    shop: Shop, caller: str, query: str, variables: dict[str, Any], code: str
) -> None:
    client = shop.staff if caller == "staff" else shop.guest()

    async with client.subscribe(query, **variables) as subscription:
        with pytest.raises(Refused) as refused:
            await subscription.next()

    assert refused.value.codes == [code]


async def test_another_customers_cart_is_not_found(shop: Shop) -> None:
    cart = await shop.create_cart(await shop.customer("HANA"), TEA=1)

    for stranger in (await shop.customer("RIN"), shop.guest()):
        async with stranger.subscribe(CART_CHANGED, c=cart["id"]) as subscription:
            with pytest.raises(Refused) as refused:
                await subscription.next()
        assert refused.value.codes == ["NOT_FOUND"]


async def test_a_cart_subscription_ends_when_the_cart_becomes_anothers(shop: Shop) -> None:
    guest, customer = shop.guest(), await shop.customer()
    cart = await shop.create_cart(guest, TEA=1)

    async with guest.subscribe(CART_CHANGED, c=cart["id"]) as subscription:
        await subscription.next()
        merged = await customer.mutate(MERGE, c=cart["id"])
        ended = await subscription.next_message()

    assert merged["cart"]["id"] == cart["id"]
    assert ended["type"] == "complete"


async def test_a_revoked_key_ends_its_subscriptions(shop: Shop) -> None:
    till = await shop.terminal()
    await shop.receive(TEA_S1=1)

    async with till.subscribe(STOCK_CHANGED, l=shop.code("S1")) as subscription:
        await subscription.next()
        assert till.key
        async with shop.hub.database.transaction() as session:
            await keys.revoke(session, key_id=till.key.split("_")[2])
        # As `uriba key revoke` does; a process that misses the hint reads the key again after some seconds.
        await shop.hub.work.hints.publish_now(KEYS)

        with pytest.raises(Refused) as refused:
            async with asyncio.timeout(15):
                while True:
                    await shop.receive(TEA_S1=1)
                    await subscription.next()

    assert refused.value.codes == ["UNAUTHENTICATED"]


async def test_an_expired_token_ends_its_subscriptions(shop: Shop) -> None:
    customer = await shop.customer()
    cart = await shop.create_cart(customer, TEA=1)

    async with customer.subscribe(CART_CHANGED, c=cart["id"]) as subscription:
        await subscription.next()
        assert customer.key
        async with shop.hub.database.transaction() as session:
            await session.run(
                "UPDATE access_key SET expires_at = now() - interval '1 second' WHERE id = $1",
                customer.key.split("_")[2],
            )
        await shop.hub.work.hints.publish_now(KEYS)

        with pytest.raises(Refused) as refused:
            async with asyncio.timeout(15):
                while True:
                    await shop.add_lines(shop.staff, cart, TEA=1)
                    await subscription.next()

    assert refused.value.codes == ["UNAUTHENTICATED"]


async def test_a_closed_subscription_or_socket_is_not_counted_any_more(shop: Shop) -> None:
    async def count(wanted: float) -> bool:
        return await subscribers(shop) == wanted

    await wait_until(lambda: count(0))
    cart = await shop.create_cart(shop.guest(), TEA=1)

    async with shop.guest().subscribe(CART_CHANGED, c=cart["id"]) as first:
        await first.next()
        async with shop.staff.subscribe(STOCK_CHANGED, s=[shop.sku("TEA")]):
            await wait_until(lambda: count(2))
        await wait_until(lambda: count(1))
        await first._socket.send('{"type": "complete", "id": "1"}')
        await wait_until(lambda: count(0))


async def test_two_subscriptions_of_one_socket_share_no_loaders(shop: Shop) -> None:
    guest = shop.guest()
    one, two = await shop.create_cart(guest, TEA=1), await shop.create_cart(guest, POT=1)

    async with guest.subscribe(CART_CHANGED, c=one["id"]) as subscription:
        await subscription.next()
        message = {
            "type": "subscribe",
            "id": "2",
            "payload": {"query": CART_CHANGED, "variables": {"c": two["id"]}},
        }
        await subscription._socket.send(httpx.Response(200, json=message).text)
        assert (await subscription.next_message())["id"] == "2"
        await shop.add_lines(guest, two, POT=4)
        second = await subscription.next_message()
        await shop.add_lines(guest, one, TEA=1)
        first = await subscription.next_message()

    assert (second["id"], second["payload"]["data"]["cartChanged"]["quantity"]) == ("2", 5)
    assert (first["id"], first["payload"]["data"]["cartChanged"]["quantity"]) == ("1", 2)
