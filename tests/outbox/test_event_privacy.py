"""Events hold ids, versions and states, and no personal data."""

from __future__ import annotations

from uuid import uuid4

from tests.support.shop import ADDRESS, CART, ERRORS, Shop
from uriba.core.actor import Scope
from uriba.core.ids import local_id
from uriba.db.statements import dynamic_statement, statement

_TYPES_OF_ORDER = statement(
    "SELECT type FROM outbox_event WHERE data ->> 'order' = :order_id OR subject = 'Order:' || :order_id::text"
)
_EVENTS = statement("SELECT type, version, data FROM outbox_event WHERE subject = :subject ORDER BY version")


async def test_no_event_ledger_line_or_stored_answer_has_personal_data(shop: Shop) -> None:
    mark = uuid4().hex
    person = {
        "loyaltyCard": f"card-{mark}",
        "email": f"mail.{mark}@example.com",
        "phone": f"+8190{int(mark[:9], 16)}",
        "name": f"Hana {mark}",
    }
    address = {**ADDRESS, "name": f"Hana {mark}", "line1": f"{mark} Street", "phone": f"+8180{int(mark[:9], 16)}"}
    await shop.receive(TEA_S1=9, POT_W1=9)
    await shop.staff.mutate(
        f"mutation ($c: [CustomerInput!]!) {{ customersUpsert(customers: $c) {{ count {ERRORS} }} }}", c=[person]
    )
    app = await shop.app("app", Scope.CUSTOMERS)
    token = await app.mutate(
        f"mutation ($i: CustomerTokenInput!) {{ customerToken(input: $i) {{ token {ERRORS} }} }}",
        i={"email": person["email"]},
    )
    phone = shop.hub.client(token["token"])

    cart = await shop.create_cart(phone, TEA=1, POT=1)
    handed = await phone.mutate(f"mutation ($c: ID!) {{ cartHandoff(cartId: $c) {{ code {ERRORS} }} }}", c=cart["id"])
    till = await shop.terminal()
    claimed = await till.mutate(
        f"mutation ($c: String!) {{ cartClaim(code: $c) {{ cart {{ {CART} }} {ERRORS} }} }}", c=handed["code"]
    )
    pot = [line["id"] for line in claimed["cart"]["lines"] if line["method"] == "SHIP"]
    chosen = await shop.set_fulfillment(till, cart, "SHIP", lineIds=pot, address=address)
    paid = await shop.check_out(till, chosen["cart"], method="CASH", email=person["email"], phone=person["phone"])
    await phone.close()

    assert paid["order"]["customer"]["name"] == person["name"]
    secrets = [mark, person["phone"].lstrip("+"), address["phone"].lstrip("+"), handed["code"], token["token"]]
    async with shop.hub.database.reading() as session:
        for table, columns in (
            ("outbox_event", "type || subject || data::text"),
            ("order_event", "type || coalesce(actor, '') || data::text"),
            ("stock_movement", "coalesce(reference, '') || actor"),
            ("shortage", "coalesce(reference, '')"),
            ("idempotency_key", "caller || operation || answer::text"),
        ):
            for secret in secrets:
                found = await session.fetch(
                    dynamic_statement(f"SELECT {columns} AS text FROM {table} WHERE strpos({columns}, :secret) > 0"),
                    secret=secret,
                )
                assert found == [], (table, secret)
        rows = await session.fetch(_TYPES_OF_ORDER, order_id=local_id(paid["order"]["id"], "Order"))
    assert {"cart.ordered", "order.placed"} <= {row["type"] for row in rows}


async def test_each_change_of_a_cart_has_an_event(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1)
    await shop.add_lines(guest, cart, TEA=1)
    chosen = await shop.set_fulfillment(guest, cart, "PICKUP", location="S1")

    await shop.check_out(guest, chosen["cart"], email="hana@example.com")

    async with shop.hub.database.reading() as session:
        rows = await session.fetch(_EVENTS, subject=f"Cart:{local_id(cart['id'], 'Cart')}")
    assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[0]["type"] == "cart.created"
    assert rows[-1]["type"] == "cart.ordered"
    assert [row["data"]["version"] for row in rows] == sorted(row["data"]["version"] for row in rows)


async def events_of(shop: Shop, subject: str) -> list[tuple[str, int]]:
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(_EVENTS, subject=subject)
    return [(row["type"], row["version"]) for row in rows]


async def test_a_refused_mutation_emits_no_event(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1)
    subject = f"Cart:{local_id(cart['id'], 'Cart')}"
    before = await events_of(shop, subject)

    refused = await shop.add_lines(guest, cart, NOTHING=1)

    assert refused["errors"][0]["code"] == "NOT_FOUND"
    assert await events_of(shop, subject) == before
    assert before[0] == ("cart.created", 1)
