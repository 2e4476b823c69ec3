"""Subscriptions that are alike share one execution: how often the database is read, and who sees what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from client import Client, Following
from patience import eventually
from shop import Shop
from uriba.core.actor import Actor, Role
from uriba.graphql.engine import sharing
from uriba.graphql.engine.sharing import Group, Member, Resync, Seen
from uriba.graphql.loaders import Batch

if TYPE_CHECKING:
    from collections.abc import Callable

STOCK = "subscription ($l: String, $s: [String!]) { stockChanged(location: $l, skus: $s) { onHand variant { sku } } }"
AVAILABLE = """subscription ($c: String!, $s: [String!]!) { availabilityChanged(channel: $c, skus: $s) {
    sku availability { quantity } } }"""
ORDER = "subscription ($o: ID!) { orderChanged(orderId: $o) { status fulfillments { status } } }"


@asynccontextmanager
async def all_following(clients: Sequence[Client], query: str, **given: Any) -> AsyncIterator[list[Following]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(client.subscribe(query, **given)) for client in clients]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What loaders read, by the name of the query."""
    found: list[str] = []
    load = Batch._load

    async def counted(self: Batch[Any, Any], keys: list[Any]) -> list[Any]:
        read = self._read
        found.append(getattr(read, "func", read).__name__)
        return await load(self, keys)

    monkeypatch.setattr(Batch, "_load", counted)
    return found


async def test_one_event_is_read_once_however_many_listen(shop: Shop, reads: list[str]) -> None:
    await shop.receive(TEA_S1=1)
    given = {"l": shop.code("S1"), "s": [shop.sku("TEA")]}

    async with all_following([shop.staff] * 20, STOCK, **given) as followings:
        for following in followings:
            assert (await following.next())["onHand"] == 1
        reads.clear()
        await shop.receive(TEA_S1=1)
        seen = [await following.next() for following in followings]

    assert [state["onHand"] for state in seen] == [2] * 20
    assert reads.count("levels_by_key") == 1
    assert reads.count("variants_by_id") == 1


async def test_other_questions_of_the_same_rights_share_what_is_read(shop: Shop, reads: list[str]) -> None:
    await shop.receive(TEA_S1=1)
    given = {"l": shop.code("S1"), "s": [shop.sku("TEA")]}
    other = STOCK.replace("onHand", "onHand available")

    async with shop.staff.subscribe(STOCK, **given) as one, shop.staff.subscribe(other, **given) as two:
        for following in (one, two):
            await following.next()
        reads.clear()
        await shop.receive(TEA_S1=1)
        seen = [(await following.next())["onHand"] for following in (one, two)]

    assert seen == [2, 2]
    assert reads.count("levels_by_key") == 1


async def test_every_shopper_shares_what_may_be_promised(shop: Shop, reads: list[str]) -> None:
    shoppers = [shop.guest(), await shop.customer("HANA"), await shop.customer("KEN", channel="app")]

    async with all_following(shoppers, AVAILABLE, c=shop.code("app"), s=[shop.sku("TEA")]) as followings:
        for following in followings:
            await following.next()
        reads.clear()
        await shop.receive(TEA_S1=3)
        seen = [(await following.next())["availability"]["quantity"] for following in followings]

    assert seen == [3, 3, 3]
    assert reads.count("supply_by_variant") <= 2, "guests, and customers of the app, are two channels' shoppers"


async def test_who_joins_later_sees_what_was_changed_before_its_own_first_state(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    given = {"l": shop.code("S1"), "s": [shop.sku("TEA")]}

    async with shop.staff.subscribe(STOCK, **given) as first:
        await first.next()
        for units in range(2, 12):
            await shop.receive(TEA_S1=1)
            async with shop.staff.subscribe(STOCK, **given) as late:
                assert (await late.next())["onHand"] == units
        assert (await first.until(lambda state: state["onHand"] == 11))["onHand"] == 11


async def test_what_a_caller_may_not_see_is_not_shared(shop: Shop) -> None:
    hana, rin = await shop.customer("HANA"), await shop.customer("RIN")
    await shop.receive(TEA_W1=5)
    cart = await shop.cart(hana, TEA=1)
    ordered = await shop.check_out(hana, (await shop.fulfil(hana, cart, "SHIP", address=dict(ADDRESS)))["cart"])

    async with hana.subscribe(ORDER, o=ordered["order"]["id"]) as theirs:
        assert (await theirs.next())["status"] == "OPEN"
        async with rin.subscribe(ORDER, o=ordered["order"]["id"]) as strange:
            message = await strange.message()

    errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
    assert [error["extensions"]["code"] for error in errors] == ["NOT_FOUND"]


async def test_a_group_ends_with_its_last_member(shop: Shop) -> None:
    async def tasks() -> int:
        return sum("runner.<locals>.run()" in repr(task) for task in asyncio.all_tasks())

    before = await tasks()
    async with all_following([shop.staff] * 3, STOCK, s=[shop.sku("TEA")]):
        await eventually(lambda: _is(tasks, before + 1))
    await eventually(lambda: _is(tasks, before))


async def _is(count: Callable[[], Any], wanted: int) -> bool:
    return bool(await count() == wanted)


ADDRESS = {"name": "H", "line1": "1", "city": "Tokyo", "postalCode": "150-0001", "country": "JP"}


def make_member() -> tuple[Group, Member]:
    group = Group(lambda _: None)
    member = Member(group)
    group.members.add(member)
    return group, member


async def next_news(member: Member) -> bytes:
    async with asyncio.timeout(10):
        return await anext(member.news())


async def test_a_slow_member_finds_the_newest_state_alone() -> None:
    group, member = make_member()

    for version in range(1, 101):
        group.tell(Seen("Cart:1", version), b"%d" % version)
    group.tell(Seen("Cart:2", 1), b"other")

    news = member.news()
    assert [await anext(news), await anext(news)] == [b"100", b"other"]


async def test_a_member_that_missed_too_much_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "WAITING_MAX", 3)
    group, member = make_member()

    for n in range(10):
        group.tell(Seen(f"StockLevel:{n}:1", 1), b"x")

    with pytest.raises(Resync):
        async for _ in member.news():
            pass
    assert len(member._waiting) <= 3


async def test_what_the_present_state_had_is_not_shown_again() -> None:
    group, member = make_member()
    member.note(Seen("Cart:1", 5), b"five")

    group.tell(Seen("Cart:2", 1), b"two")
    for version, payload in ((4, b"four"), (5, b"five"), (6, b"six")):
        group.tell(Seen("Cart:1", version), payload)
        group.tell(Seen("Cart:2", version), b"two")
    assert [payload async for payload in _some(member, 2)] == [b"two", b"six"]

    group.tell(Seen("Cart:1", 5), b"five")
    group.tell(Seen("Cart:3", 1), b"three")
    assert await next_news(member) == b"three"


async def _some(member: Member, number: int) -> AsyncIterator[bytes]:
    news = member.news()
    for _ in range(number):
        async with asyncio.timeout(10):
            yield await anext(news)


def test_shoppers_are_alike_where_everybody_sees_the_same() -> None:
    customer = Actor(Role.CUSTOMER, key_id="1", channel_id=7)
    staff = Actor(Role.STAFF, key_id="2")

    assert sharing.followed_as(customer, everyone=True) == sharing.followed_as(
        Actor(Role.ANONYMOUS, channel_id=7, address="x"), everyone=True
    )
    assert sharing.followed_as(customer, everyone=False) is customer
    assert sharing.followed_as(staff, everyone=True) is staff
