"""Subscriptions that are alike share one execution: how often the database is read, and what each caller gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.client import Client, Subscription
from tests.support.shop import Shop
from tests.support.waiting import wait_until
from uriba.core.actor import Actor, Role
from uriba.graphql.engine import subscription_groups
from uriba.graphql.engine.subscription_groups import (
    GroupMember,
    ResyncRequired,
    SubjectVersion,
    SubscriptionGroup,
)
from uriba.graphql.loaders import BatchLoader

if TYPE_CHECKING:
    from collections.abc import Callable

STOCK = "subscription ($l: String, $s: [String!]) { stockChanged(location: $l, skus: $s) { onHand variant { sku } } }"
AVAILABLE = """subscription ($c: String!, $s: [String!]!) { availabilityChanged(channel: $c, skus: $s) {
    sku availability { quantity } } }"""
ORDER = "subscription ($o: ID!) { orderChanged(orderId: $o) { status fulfillments { status } } }"


@asynccontextmanager
async def all_following(clients: Sequence[Client], query: str, **variables: Any) -> AsyncIterator[list[Subscription]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(client.subscribe(query, **variables)) for client in clients]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the queries that loaders run."""
    found: list[str] = []
    load = BatchLoader._load

    async def counted(self: BatchLoader[Any, Any], keys: list[Any]) -> list[Any]:
        read = self._read
        found.append(getattr(read, "func", read).__name__)
        return await load(self, keys)

    monkeypatch.setattr(BatchLoader, "_load", counted)
    return found


async def test_one_event_is_read_once_for_all_subscribers(shop: Shop, reads: list[str]) -> None:
    await shop.receive(TEA_S1=1)
    variables = {"l": shop.code("S1"), "s": [shop.sku("TEA")]}

    async with all_following([shop.staff] * 20, STOCK, **variables) as subscriptions:
        for subscription in subscriptions:
            assert (await subscription.next())["onHand"] == 1
        # Once all have seen a first change, nobody still has to read for an earlier event.
        await shop.receive(TEA_S1=1)
        assert [(await subscription.next())["onHand"] for subscription in subscriptions] == [2] * 20
        reads.clear()
        await shop.receive(TEA_S1=1)
        seen = [await subscription.next() for subscription in subscriptions]

    assert [state["onHand"] for state in seen] == [3] * 20
    assert reads.count("levels_by_key") == 1
    assert reads.count("variants_by_id") == 1


async def test_groups_of_the_same_rights_share_what_they_read(shop: Shop, reads: list[str]) -> None:
    await shop.receive(TEA_S1=1)
    variables = {"l": shop.code("S1"), "s": [shop.sku("TEA")]}
    other = STOCK.replace("onHand", "onHand available")

    async with shop.staff.subscribe(STOCK, **variables) as one, shop.staff.subscribe(other, **variables) as two:
        for subscription in (one, two):
            await subscription.next()
        # Once both groups have seen a first change, none of them still has to read for an earlier event.
        await shop.receive(TEA_S1=1)
        assert [(await subscription.next())["onHand"] for subscription in (one, two)] == [2, 2]
        reads.clear()
        await shop.receive(TEA_S1=1)
        seen = [(await subscription.next())["onHand"] for subscription in (one, two)]

    assert seen == [3, 3]
    assert reads.count("levels_by_key") == 1


async def test_all_shoppers_share_availability(shop: Shop, reads: list[str]) -> None:
    shoppers = [shop.guest(), await shop.customer("HANA"), await shop.customer("KEN", channel="app")]

    async with all_following(shoppers, AVAILABLE, c=shop.code("app"), s=[shop.sku("TEA")]) as subscriptions:
        for subscription in subscriptions:
            await subscription.next()
        reads.clear()
        await shop.receive(TEA_S1=3)
        seen = [(await subscription.next())["availability"]["quantity"] for subscription in subscriptions]

    assert seen == [3, 3, 3]
    assert reads.count("supply_by_variant") <= 2, "guests, and customers of the app, are two channels' shoppers"


async def test_a_late_subscriber_gets_the_newest_state_first(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    variables = {"l": shop.code("S1"), "s": [shop.sku("TEA")]}

    async with shop.staff.subscribe(STOCK, **variables) as first:
        await first.next()
        for units in range(2, 12):
            await shop.receive(TEA_S1=1)
            async with shop.staff.subscribe(STOCK, **variables) as late:
                assert (await late.next())["onHand"] == units
        assert (await first.until(lambda state: state["onHand"] == 11))["onHand"] == 11


async def test_a_group_does_not_show_an_order_to_another_customer(shop: Shop) -> None:
    hana, rin = await shop.customer("HANA"), await shop.customer("RIN")
    await shop.receive(TEA_W1=5)
    cart = await shop.create_cart(hana, TEA=1)
    ordered = await shop.check_out(
        hana, (await shop.set_fulfillment(hana, cart, "SHIP", address=dict(ADDRESS)))["cart"]
    )

    async with hana.subscribe(ORDER, o=ordered["order"]["id"]) as theirs:
        assert (await theirs.next())["status"] == "OPEN"
        async with rin.subscribe(ORDER, o=ordered["order"]["id"]) as strange:
            message = await strange.next_message()

    errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
    assert [error["extensions"]["code"] for error in errors] == ["NOT_FOUND"]


async def test_a_group_ends_with_its_last_member(shop: Shop) -> None:
    async def tasks() -> int:
        return sum("group_runner.<locals>.run_group()" in repr(task) for task in asyncio.all_tasks())

    before = await tasks()
    async with all_following([shop.staff] * 3, STOCK, s=[shop.sku("TEA")]):
        await wait_until(lambda: _is(tasks, before + 1))
    await wait_until(lambda: _is(tasks, before))


async def _is(count: Callable[[], Any], wanted: int) -> bool:
    return bool(await count() == wanted)


ADDRESS = {"name": "H", "line1": "1", "city": "Tokyo", "postalCode": "150-0001", "country": "JP"}


def make_member() -> tuple[SubscriptionGroup, GroupMember]:
    group = SubscriptionGroup(lambda _: None)
    member = GroupMember(group)
    group.members.add(member)
    return group, member


async def next_payload(member: GroupMember) -> bytes:
    async with asyncio.timeout(10):
        return await anext(member.payloads())


async def test_a_slow_member_gets_only_the_newest_state_of_each_subject() -> None:
    group, member = make_member()

    for version in range(1, 101):
        group.publish(SubjectVersion("Cart:1", version), b"%d" % version)
    group.publish(SubjectVersion("Cart:2", 1), b"other")

    payloads = member.payloads()
    assert [await anext(payloads), await anext(payloads)] == [b"100", b"other"]


async def test_a_member_with_too_many_pending_subjects_has_to_resync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription_groups, "PENDING_SUBJECTS_MAX", 3)
    group, member = make_member()

    for n in range(10):
        group.publish(SubjectVersion(f"StockLevel:{n}:1", 1), b"x")

    with pytest.raises(ResyncRequired):
        async for _ in member.payloads():
            pass
    assert len(member._pending) <= 3


async def test_a_member_gets_no_older_and_no_equal_state_twice() -> None:
    group, member = make_member()
    member.record_sent(SubjectVersion("Cart:1", 5), b"five")

    group.publish(SubjectVersion("Cart:2", 1), b"two")
    for version, payload in ((4, b"four"), (5, b"five"), (6, b"six")):
        group.publish(SubjectVersion("Cart:1", version), payload)
        group.publish(SubjectVersion("Cart:2", version), b"two")
    assert [payload async for payload in _some(member, 2)] == [b"two", b"six"]

    group.publish(SubjectVersion("Cart:1", 5), b"five")
    group.publish(SubjectVersion("Cart:3", 1), b"three")
    assert await next_payload(member) == b"three"


async def _some(member: GroupMember, number: int) -> AsyncIterator[bytes]:
    payloads = member.payloads()
    for _ in range(number):
        async with asyncio.timeout(10):
            yield await anext(payloads)


def test_shoppers_share_the_actor_of_a_group_that_is_the_same_for_all() -> None:
    customer = Actor(Role.CUSTOMER, key_id="1", channel_id=7)
    staff = Actor(Role.STAFF, key_id="2")

    assert subscription_groups.group_actor(customer, same_for_all_shoppers=True) == subscription_groups.group_actor(
        Actor(Role.ANONYMOUS, channel_id=7, address="x"), same_for_all_shoppers=True
    )
    assert subscription_groups.group_actor(customer, same_for_all_shoppers=False) is customer
    assert subscription_groups.group_actor(staff, same_for_all_shoppers=True) is staff
