"""Channels and locations: created and changed by code."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from tests.support.catalog_calls import channel, codes, location, upsert
from tests.support.shop import Shop
from uriba.core.ids import number

CHANNELS = "{ channels { id code name kind currency pricesIncludeTax locations { code } } }"
RATES = [{"taxClass": "standard", "rate": "0.10"}, {"taxClass": "reduced", "rate": "0.08"}]


async def found(shop: Shop, name: str) -> dict[str, Any] | None:
    rows = (await shop.guest().execute(CHANNELS))["channels"]
    return next((row for row in rows if row["code"] == shop.code(name)), None)


async def rates(shop: Shop, name: str) -> dict[str, str]:
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT t.tax_class, t.rate::text FROM tax_rate t JOIN channel c ON c.id = t.channel_id WHERE c.code = $1",
            shop.code(name),
        )
    return {row["tax_class"]: row["rate"] for row in rows}


async def test_a_channel_lists_its_locations_in_the_given_order(shop: Shop) -> None:
    order = [shop.code(place) for place in ("S2", "W1", "S1")]

    await upsert(shop, "channels", channel(shop, "kiosk", locations=order, kind="MARKETPLACE", pricesIncludeTax=False))

    kiosk = await found(shop, "kiosk")
    assert kiosk is not None
    assert [place["code"] for place in kiosk["locations"]] == order
    assert (kiosk["kind"], kiosk["currency"], kiosk["pricesIncludeTax"]) == ("MARKETPLACE", "JPY", False)


async def test_an_upsert_replaces_locations_and_rates(shop: Shop) -> None:
    await upsert(shop, "channels", channel(shop, "kiosk", locations=[shop.code("S1"), shop.code("S2")], taxRates=RATES))

    await upsert(
        shop,
        "channels",
        channel(
            shop,
            "kiosk",
            name="Kiosk 2",
            locations=[shop.code("W1"), shop.code("S1")],
            taxRates=[{"taxClass": "standard", "rate": "0.2"}],
        ),
    )

    kiosk = await found(shop, "kiosk")
    assert kiosk is not None and kiosk["name"] == "Kiosk 2"
    assert [place["code"] for place in kiosk["locations"]] == [shop.code("W1"), shop.code("S1")]
    assert await rates(shop, "kiosk") == {"standard": "0.200000"}


async def test_a_location_listed_twice_keeps_its_first_position(shop: Shop) -> None:
    places = [shop.code(place) for place in ("S1", "S2", "S1")]

    await upsert(shop, "channels", channel(shop, "kiosk", locations=places))

    kiosk = await found(shop, "kiosk")
    assert kiosk is not None
    assert [place["code"] for place in kiosk["locations"]] == places[:2]


@pytest.mark.parametrize("blank", ["", " "])
async def test_refuses_to_change_the_currency_of_a_channel(shop: Shop, blank: str) -> None:
    payload = await upsert(shop, "channels", channel(shop, "web", code=shop.code("web") + blank, currency="USD"))

    assert codes(payload) == [("INVALID", ("channels", "0", "currency"))]
    web = await found(shop, "web")
    assert web is not None and (web["currency"], web["name"]) == ("JPY", "Web")


async def test_reports_every_invalid_channel_and_creates_none(shop: Shop) -> None:
    payload = await upsert(
        shop,
        "channels",
        channel(shop, "good"),
        channel(shop, "yen", currency="YEN"),
        channel(shop, "half", shippingPrice="0.5"),
        channel(shop, "rate", taxRates=[RATES[0], {"taxClass": "reduced", "rate": "8"}]),
        channel(shop, "untaxed", shippingPrice="500", taxRates=RATES[1:]),
        channel(shop, "good"),
        channel(shop, "lost", locations=[shop.code("S1"), "nowhere"]),
    )

    assert codes(payload) == [
        ("INVALID", ("channels", "1", "currency")),
        ("INVALID", ("channels", "2", "shippingPrice")),
        ("INVALID", ("channels", "3", "taxRates", "1", "rate")),
        ("INVALID", ("channels", "4", "taxRates")),
        ("INVALID", ("channels", "5", "code")),
        ("NOT_FOUND", ("channels", "6", "locations", "1")),
    ]
    assert await found(shop, "good") is None


async def test_refuses_two_rates_of_one_tax_class(shop: Shop) -> None:
    twice = [RATES[0], {"taxClass": " standard ", "rate": "0.08"}]

    payload = await upsert(shop, "channels", channel(shop, "kiosk", taxRates=twice))

    assert codes(payload) == [("INVALID", ("channels", "0", "taxRates", "1", "taxClass"))]


async def test_creates_and_changes_locations(shop: Shop) -> None:
    query = """query ($i: ID!) { node(id: $i) { ... on Location {
        code name kind timezone offersPickup shipsOrders } } }"""
    await upsert(shop, "locations", location(shop, "S3", timezone="Asia/Tokyo", offersPickup=True, shipsOrders=True))
    async with shop.hub.database.reading() as session:
        key = await session.fetchval("SELECT id FROM location WHERE code = $1", shop.code("S3"))

    await upsert(shop, "locations", location(shop, "S3", name="Depot", kind="WAREHOUSE"))

    from uriba.core.ids import global_id

    seen = (await shop.guest().execute(query, i=global_id("Location", key)))["node"]
    assert seen == {
        "code": shop.code("S3"),
        "name": "Depot",
        "kind": "WAREHOUSE",
        "timezone": "UTC",
        "offersPickup": False,
        "shipsOrders": False,
    }


async def test_reports_every_invalid_location_in_order(shop: Shop) -> None:
    payload = await upsert(
        shop,
        "locations",
        location(shop, "A"),
        location(shop, "B", name=""),
        location(shop, "C", timezone="Mars/Olympus"),
        location(shop, "A"),
        location(shop, "D", code="x" * 65),
    )

    assert codes(payload) == [
        ("INVALID", ("locations", "1", "name")),
        ("INVALID", ("locations", "2", "timezone")),
        ("INVALID", ("locations", "3", "code")),
        ("INVALID", ("locations", "4", "code")),
    ]
    async with shop.hub.database.reading() as session:
        assert not await session.fetchval("SELECT true FROM location WHERE code = $1", shop.code("A"))


async def test_pages_of_locations_have_no_gaps_or_duplicates(shop: Shop) -> None:
    query = "query ($n: Int, $a: String) { locations(first: $n, after: $a) { edges { node { id code } cursor } pageInfo { hasNextPage endCursor } } }"
    seen: list[str] = []
    guest, after, more = shop.guest(), None, True
    while more:
        # As many locations as all tests before have made: small pages would be very many.
        page = (await guest.execute(query, n=25, a=after))["locations"]
        seen += [edge["node"]["code"] for edge in page["edges"]]
        ids = [number(edge["node"]["id"], "Location") for edge in page["edges"]]
        assert ids == sorted(ids)  # type: ignore[type-var]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]

    assert len(seen) == len(set(seen))
    assert {shop.code(place) for place in ("S1", "S2", "W1")} <= set(seen)


@pytest.mark.parametrize(("what", "make"), [("channels", channel), ("locations", location)])
async def test_refuses_more_than_a_thousand_rows(shop: Shop, what: str, make: Any) -> None:
    payload = await upsert(shop, what, *[make(shop, "X")] * 1_001)

    assert codes(payload) == [("LIMIT_EXCEEDED", (what,))]


async def test_concurrent_upserts_of_the_same_channels_leave_one_of_the_inputs(shop: Shop) -> None:
    names, places = [f"c{n}" for n in range(6)], [shop.code(place) for place in ("S1", "S2", "W1")]
    chance = random.Random(6)

    async def make(turn: int) -> dict[str, Any]:
        rows = [
            channel(
                shop,
                name,
                name=f"Turn {turn}",
                locations=places[turn % 3 :],
                taxRates=[{"taxClass": f"class {turn}", "rate": "0.1"}],
            )
            for name in chance.sample(names, len(names))
        ]
        return await upsert(shop, "channels", *rows)

    payloads = await asyncio.gather(*(make(turn) for turn in range(9)))

    assert payloads == [{"count": 6, "errors": []}] * 9
    for name in names:
        seen = await found(shop, name)
        assert seen is not None
        turn = int(seen["name"].split()[1])
        assert [place["code"] for place in seen["locations"]] == places[turn % 3 :]
        assert set(await rates(shop, name)) == {f"class {turn}"}


async def test_concurrent_upserts_of_the_same_locations_create_each_once(shop: Shop) -> None:
    names = [f"L{n}" for n in range(10)]
    chance = random.Random(10)

    async def make(turn: int) -> dict[str, Any]:
        rows = [location(shop, name, name=f"Turn {turn}") for name in chance.sample(names, len(names))]
        return await upsert(shop, "locations", *rows)

    payloads = await asyncio.gather(*(make(turn) for turn in range(8)))

    assert payloads == [{"count": 10, "errors": []}] * 8
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT name FROM location WHERE code = ANY($1)", [shop.code(name) for name in names]
        )
    assert len(rows) == 10
    assert len({row["name"] for row in rows}) == 1
