"""customersUpsert: rows are matched to customers by loyalty card, else e-mail, else phone."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from tests.support.catalog_calls import codes, upsert
from tests.support.shop import Shop

CUSTOMER = """query ($l: String, $e: String, $p: String) { customer(loyaltyCard: $l, email: $e, phone: $p) {
    id name email phone loyaltyCard } }"""


def person(shop: Shop, **given: str) -> dict[str, str]:
    """Identifiers of this shop: card="A", email="hana", phone="1"."""
    digits = str(int(shop.suffix, 16)).zfill(10)[:10]
    made = {
        "loyaltyCard": lambda value: shop.code(value),
        "email": lambda value: f"{value}.{shop.suffix}@example.com",
        "phone": lambda value: f"+81{digits}{value}",
    }
    names = {"card": "loyaltyCard"}
    keyed = {names.get(key, key): value for key, value in given.items()}
    return {key: made[key](value) if key in made else value for key, value in keyed.items()}


async def known(shop: Shop, **given: str) -> dict[str, Any] | None:
    ((field, value),) = person(shop, **given).items()
    variable = {"loyaltyCard": "l", "email": "e", "phone": "p"}[field]
    return (await shop.staff.execute(CUSTOMER, **{variable: value}))["customer"]  # type: ignore[no-any-return]


async def test_finds_a_customer_by_each_identifier(shop: Shop) -> None:
    hana = person(shop, card="A", email="hana", phone="1", name="Hana")

    payload = await upsert(shop, "customers", hana)

    assert payload == {"count": 1, "errors": []}
    seen = [await known(shop, card="A"), await known(shop, email="hana"), await known(shop, phone="1")]
    assert seen[0] is not None
    assert {key: seen[0][key] for key in hana} == hana
    assert seen == [seen[0]] * 3


async def test_the_loyalty_card_decides_before_e_mail_and_phone(shop: Shop) -> None:
    await upsert(shop, "customers", person(shop, card="A", email="old", phone="1", name="Hana"))

    await upsert(shop, "customers", person(shop, card="A", email="new"))

    found = await known(shop, card="A")
    assert found is not None
    assert (found["email"], found["phone"], found["name"]) == (
        person(shop, email="new")["email"],
        person(shop, phone="1")["phone"],
        "Hana",
    )
    assert await known(shop, email="old") is None


async def test_without_a_known_card_the_e_mail_decides_and_then_the_phone(shop: Shop) -> None:
    await upsert(shop, "customers", person(shop, email="hana", phone="1"), person(shop, phone="2"))

    await upsert(
        shop,
        "customers",
        person(shop, card="A", email="hana", name="Hana"),
        person(shop, card="B", email="rin", phone="2", name="Rin"),
    )

    hana, rin = await known(shop, phone="1"), await known(shop, phone="2")
    assert hana is not None and rin is not None
    assert (hana["name"], hana["loyaltyCard"]) == ("Hana", shop.code("A"))
    assert (rin["name"], rin["email"]) == ("Rin", person(shop, email="rin")["email"])


async def test_an_identifier_of_another_customer_refuses_all_rows(shop: Shop) -> None:
    await upsert(shop, "customers", person(shop, card="A", email="hana"), person(shop, card="B", phone="2"))

    payload = await upsert(
        shop,
        "customers",
        person(shop, card="C", name="New"),
        person(shop, email="hana", phone="2"),
    )

    assert codes(payload) == [("INVALID", ("customers", "1", "phone"))]
    assert await known(shop, card="C") is None
    first = await known(shop, card="A")
    assert first is not None and first["phone"] is None


async def test_refuses_the_same_identifier_twice_in_one_call(shop: Shop) -> None:
    payload = await upsert(shop, "customers", person(shop, card="A"), person(shop, card="B"), person(shop, card="A"))

    assert codes(payload) == [("INVALID", ("customers", "2", "loyaltyCard"))]
    assert await known(shop, card="B") is None


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ({"name": "Nobody"}, ()),
        ({"email": "no address"}, ("email",)),
        ({"email": "a@b@c.com"}, ("email",)),
        ({"phone": "call me"}, ("phone",)),
        ({"phone": "1234"}, ("phone",)),
        ({"loyaltyCard": "x" * 65}, ("loyaltyCard",)),
        ({"loyaltyCard": "1", "name": "x" * 201}, ("name",)),
    ],
)
async def test_refuses_rows_without_a_valid_identifier(shop: Shop, row: dict[str, str], path: tuple[str, ...]) -> None:
    payload = await upsert(shop, "customers", row)

    assert codes(payload) == [("INVALID", ("customers", "0", *path))]


async def test_case_of_an_address_and_marks_of_a_number_do_not_matter(shop: Shop) -> None:
    plain = person(shop, email="hana", phone="1")
    await upsert(shop, "customers", plain)

    number = plain["phone"]
    spaced = f" {number[:3]} ({number[3:6]})-{number[6:]} "
    await upsert(shop, "customers", {"email": plain["email"].upper(), "phone": spaced, "name": "Hana"})

    found = await known(shop, email="hana")
    assert found is not None and (found["name"], found["phone"]) == ("Hana", number)


async def test_concurrent_upserts_of_the_same_customers_create_each_once(shop: Shop) -> None:
    people = [person(shop, card=f"{n}", email=f"{n}", phone=f"{n}") for n in range(8)]
    chance = random.Random(8)

    async def make(turn: int) -> dict[str, Any]:
        # Each turn knows them by other identifiers.
        left_out = ("loyaltyCard", "email", "phone", None)[turn % 4]
        rows = [{key: value for key, value in one.items() if key != left_out} for one in people]
        return await upsert(shop, "customers", *chance.sample(rows, len(rows)))

    payloads = await asyncio.gather(*(make(turn) for turn in range(8)))

    assert payloads == [{"count": 8, "errors": []}] * 8
    async with shop.hub.database.reading() as session:
        count = await session.fetchval(
            "SELECT count(*) FROM customer WHERE email LIKE $1", f"%.{shop.suffix}@example.com"
        )
    assert count == 8
