"""Crashes between any two steps of a payment, and holds that expire early: the sweep finishes each attempt."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.checkout_calls import (
    attempts,
    cart_to_pick_up,
    cart_to_ship,
    cash,
    charges,
    codes,
    codes_and_paths,
    expire_hold,
    key,
    make_due,
    order_count,
    pay,
    read,
    stock_quantities,
)
from tests.support.client import Refused
from tests.support.shop import Shop
from uriba.checkout import payment_attempts
from uriba.checkout.gateways import GatewayUnreachable
from uriba.checkout.gateways.sandbox_gateway import SandboxGateway
from uriba.inventory import holds, ledger
from uriba.worker import sweeps

STEPS = {
    "before the charge": (SandboxGateway, "charge", "ok"),
    "after the charge": (payment_attempts, "complete_and_commit", "ok"),
    "while the order is written": (ledger, "post_and_commit", "ok"),
    "before a declined charge is voided": (SandboxGateway, "void", "declined"),
    "after a declined charge was voided": (payment_attempts, "end_without_order", "declined"),
    "while stock and cart are released": (ledger, "post", "declined"),
}


class Crash(Exception):
    """A crash of the process at this step."""


async def crash(*_: Any, **__: Any) -> None:
    raise Crash


@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_anywhere_is_finished_by_the_sweep(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    owner, name, token = STEPS[step]
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=2)
    with monkeypatch.context() as patch, pytest.raises(Refused) as crashed:
        patch.setattr(owner, name, crash)
        await shop.check_out(guest, cart, token=token, key="K")
    assert crashed.value.codes == ["INTERNAL"]
    assert (await order_count(shop, cart), await stock_quantities(shop, "TEA", "W1")) == (0, (5, 0, 2))
    await make_due(shop, cart)

    await sweeps.finish_checkouts(shop.hub.work)

    charged = step in ("after the charge", "while the order is written")
    after = await read(guest, cart)
    assert after["status"] == ("ORDERED" if charged else "ACTIVE")
    assert await order_count(shop, cart) == int(charged)
    assert await charges(shop, cart) == [("CAPTURED", 1296) if charged else ("VOIDED", 0)]
    assert await stock_quantities(shop, "TEA", "W1") == ((5, 2, 0) if charged else (5, 0, 0))
    again = await shop.check_out(guest, cart, token=token, key="K")
    assert codes(again) == ([] if charged else ["PAYMENT_DECLINED"])


async def test_a_crash_before_the_attempt_leaves_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=2)
    with monkeypatch.context() as patch, pytest.raises(Refused):
        patch.setattr(holds, "place_and_commit", crash)
        await shop.check_out(guest, cart, key="K")

    assert (await attempts(shop, cart), await read(guest, cart)) == ([], cart)
    assert (await shop.check_out(guest, cart, key="K"))["order"]["paymentStatus"] == "PAID"


@pytest.mark.parametrize("step", ["after the charge", "while the order is written"])
async def test_after_a_crash_the_same_key_finishes_it_without_the_sweep(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    owner, name, token = STEPS[step]
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=2)
    with monkeypatch.context() as patch, pytest.raises(Refused):
        patch.setattr(owner, name, crash)
        await shop.check_out(guest, cart, token=token, key="K")

    payload = await shop.check_out(guest, cart, token=token, key="K")

    assert payload["order"]["paymentStatus"] == "PAID"
    assert (await order_count(shop, cart), await charges(shop, cart)) == (1, [("CAPTURED", 1296)])


async def test_a_charge_that_cannot_be_voided_now_is_voided_later(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unreachable(*_: Any, **__: Any) -> None:
        raise GatewayUnreachable

    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=2)
    with monkeypatch.context() as patch:
        patch.setattr(SandboxGateway, "void", unreachable)
        payload = await shop.check_out(guest, cart, token="declined", key="K")
    assert codes_and_paths(payload) == [("PAYMENT_PENDING", ["payments"])]
    assert [row["status"] for row in await attempts(shop, cart)] == ["ENDING"]
    assert await stock_quantities(shop, "TEA", "W1") == (5, 0, 2)
    await make_due(shop, cart)

    await sweeps.finish_checkouts(shop.hub.work)

    assert await charges(shop, cart) == [("VOIDED", 0)]
    assert await stock_quantities(shop, "TEA", "W1") == (5, 0, 0)
    assert codes(await shop.check_out(guest, cart, token="declined", key="K")) == ["PAYMENT_DECLINED"]


async def test_an_unreachable_provider_leaves_the_attempt_to_the_next_sweep(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Barrier(4)

    async def hang(*_: Any, **__: Any) -> None:
        await asked.wait()
        waited_side_by_side.append(True)
        await asyncio.Event().wait()

    waited_side_by_side: list[bool] = []
    await shop.receive(TEA_W1=50)
    guest = shop.guest("app")
    carts = [await cart_to_ship(shop, guest, TEA=1) for _ in range(4)]
    await asyncio.gather(*(shop.check_out(guest, cart, token="lost") for cart in carts))
    for cart in carts:
        await make_due(shop, cart)
    with monkeypatch.context() as patch:
        patch.setattr(SandboxGateway, "find", hang)
        await sweeps.finish_checkouts(shop.hub.work)

    assert len(waited_side_by_side) == 4, "not one term after the other"
    assert [[row["status"] for row in await attempts(shop, cart)] for cart in carts] == [["PENDING"]] * 4
    for cart in carts:
        await make_due(shop, cart)
    await sweeps.finish_checkouts(shop.hub.work)
    assert [await order_count(shop, cart) for cart in carts] == [1] * 4


async def test_one_attempt_that_fails_does_not_stop_the_sweep_of_others(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.receive(TEA_W1=50)
    guest = shop.guest("app")
    carts = [await cart_to_ship(shop, guest, TEA=1) for _ in range(3)]
    await asyncio.gather(*(shop.check_out(guest, cart, token="lost") for cart in carts))
    for cart in carts:
        await make_due(shop, cart)
    poisoned, find = str((await attempts(shop, carts[0]))[0]["id"]), SandboxGateway.find

    async def find_or_crash(self: SandboxGateway, *, key: str, **given: Any) -> Any:
        return await (crash() if key.startswith(poisoned) else find(self, key=key, **given))  # type: ignore[func-returns-value]

    with monkeypatch.context() as patch, pytest.raises(ExceptionGroup) as failed:
        patch.setattr(SandboxGateway, "find", find_or_crash)
        await sweeps.finish_checkouts(shop.hub.work)

    assert failed.group_contains(Crash)
    assert [await order_count(shop, cart) for cart in carts] == [0, 1, 1]
    await make_due(shop, carts[0])
    await sweeps.finish_checkouts(shop.hub.work)
    assert await order_count(shop, carts[0]) == 1


async def test_an_expired_hold_releases_the_stock_while_the_cart_stays_closed(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    guest, till = shop.guest("app"), await shop.terminal("S1")
    cart = await cart_to_pick_up(shop, guest, TEA=1)
    await shop.check_out(guest, cart, token="timeout")
    await expire_hold(shop, cart)

    await sweeps.expire_holds(shop.hub.work)

    assert await stock_quantities(shop, "TEA", "S1") == (1, 0, 0)
    assert codes(await shop.add_lines(guest, cart, TEA=1)) == ["CART_NOT_ACTIVE"]
    assert (await pay(till, await shop.create_cart(till, TEA=1), cash("648")))["order"]["status"] == "COMPLETED"


@pytest.mark.parametrize("method", ["CARRY_OUT", "PICKUP", "SHIP"])
async def test_an_expired_hold_does_not_block_other_buyers(shop: Shop, method: str) -> None:
    await shop.receive(TEA_S1=1)
    guest, other, till = shop.guest("app"), shop.guest("web"), await shop.terminal("S1")
    cart = await cart_to_pick_up(shop, guest, TEA=1)
    await shop.check_out(guest, cart, token="timeout")
    buying = {"CARRY_OUT": None, "PICKUP": cart_to_pick_up, "SHIP": cart_to_ship}[method]
    theirs = await buying(shop, other, TEA=1) if buying else await shop.create_cart(till, TEA=1)

    async def buy() -> dict[str, Any]:
        return await (shop.check_out(other, theirs) if buying else pay(till, theirs, cash("648")))

    held = await buy()
    await expire_hold(shop, cart)
    free = await buy()

    assert codes(held) == ["OUT_OF_STOCK"]
    assert free["errors"] == [] and free["order"]["paymentStatus"] == "PAID"


async def test_a_payment_after_its_hold_expired_takes_stock_that_is_still_there(shop: Shop) -> None:
    await shop.receive(TEA_W1=2)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=2)
    await shop.check_out(guest, cart, token="lost", key="K")
    await expire_hold(shop, cart)
    await sweeps.expire_holds(shop.hub.work)

    payload = await shop.check_out(guest, cart, token="lost", key="K")

    assert payload["order"]["paymentStatus"] == "PAID"
    assert await stock_quantities(shop, "TEA", "W1") == (2, 2, 0)


@pytest.mark.parametrize("by", ["the same key", "the sweep"])
async def test_a_payment_without_stock_is_refunded(shop: Shop, by: str) -> None:
    await shop.receive(TEA_S1=1)
    guest, till = shop.guest("app"), await shop.terminal("S1")
    cart = await cart_to_pick_up(shop, guest, TEA=1)
    await shop.check_out(guest, cart, token="lost", key="K")
    await expire_hold(shop, cart)
    await sweeps.expire_holds(shop.hub.work)
    assert not (await pay(till, await shop.create_cart(till, TEA=1), cash("648")))["errors"]

    if by == "the sweep":
        await make_due(shop, cart)
        await sweeps.finish_checkouts(shop.hub.work)
    payload = await shop.check_out(guest, cart, token="lost", key="K")

    assert codes(payload) == ["OUT_OF_STOCK"]
    assert await charges(shop, cart) == [("VOIDED", 648)]
    assert (await order_count(shop, cart), (await read(guest, cart))["status"]) == (0, "ACTIVE")
    assert await stock_quantities(shop, "TEA", "S1") == (0, 0, 0)


async def test_a_partly_expired_hold_still_serves_its_other_lines(shop: Shop) -> None:
    await shop.receive(TEA_W1=2, POT_W1=1, CUP_W1=1)
    guest, other = shop.guest("app"), shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=1, POT=1, CUP=1)
    await shop.check_out(guest, cart, token="lost", key="K")
    await shop.check_out(other, await cart_to_ship(shop, other, TEA=1), token="timeout")
    async with shop.hub.database.transaction() as session:
        await session.run(
            "UPDATE hold h SET expires_at = now() FROM checkout_attempt a, variant v "
            "WHERE a.id = owner_id AND v.id = h.variant_id AND a.cart_id = $1 AND v.sku = $2",
            key(cart),
            shop.sku("TEA"),
        )
    await sweeps.expire_holds(shop.hub.work)
    assert [await stock_quantities(shop, name, "W1") for name in ("TEA", "POT")] == [(2, 0, 1), (1, 0, 1)]

    payload = await shop.check_out(guest, cart, token="lost", key="K")

    assert payload["order"]["paymentStatus"] == "PAID"
    assert [await stock_quantities(shop, name, "W1") for name in ("TEA", "POT", "CUP")] == [
        (2, 1, 1),
        (1, 1, 0),
        (1, 1, 0),
    ]


async def test_a_partly_expired_hold_without_stock_releases_all_lines(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, POT_S1=1)
    guest, till = shop.guest("app"), await shop.terminal("S1")
    cart = await cart_to_pick_up(shop, guest, TEA=1, POT=1)
    await shop.check_out(guest, cart, token="lost", key="K")
    async with shop.hub.database.transaction() as session:
        await session.run(
            "UPDATE hold h SET expires_at = now() FROM checkout_attempt a, variant v "
            "WHERE a.id = owner_id AND v.id = h.variant_id AND a.cart_id = $1 AND v.sku = $2",
            key(cart),
            shop.sku("TEA"),
        )
    await sweeps.expire_holds(shop.hub.work)
    assert not (await pay(till, await shop.create_cart(till, TEA=1), cash("648")))["errors"]

    payload = await shop.check_out(guest, cart, token="lost", key="K")

    assert codes(payload) == ["OUT_OF_STOCK"]
    assert await charges(shop, cart) == [("VOIDED", 3948)]
    assert await stock_quantities(shop, "POT", "S1") == (1, 0, 0)


async def test_of_an_expiring_hold_and_a_completing_payment_one_wins(shop: Shop) -> None:
    """The last unit is held by a payment whose answer was lost; its hold ends while a till wants it too."""
    guest, till = shop.guest("app"), await shop.terminal("S1")
    for _ in range(8):
        await shop.receive(TEA_S1=1)
        cart, at_till = await cart_to_pick_up(shop, guest, TEA=1), await shop.create_cart(till, TEA=1)
        await shop.check_out(guest, cart, token="lost", key=shop.code(cart["id"]))
        await expire_hold(shop, cart)

        async def expire_and_sell(at_till: dict[str, Any] = at_till) -> dict[str, Any]:
            await sweeps.expire_holds(shop.hub.work)
            return await pay(till, at_till, cash("648"))

        online, sold = await asyncio.gather(
            shop.check_out(guest, cart, token="lost", key=shop.code(cart["id"])), expire_and_sell()
        )

        assert (online["order"] is None) != (sold["order"] is None)
        loser = online if online["order"] is None else sold
        assert codes(loser) == ["OUT_OF_STOCK"]
        assert await charges(shop, cart) == [("CAPTURED" if online["order"] else "VOIDED", 648)]
        on_hand, committed, reserved = await stock_quantities(shop, "TEA", "S1")
        assert (on_hand - committed, reserved) == (0, 0)
