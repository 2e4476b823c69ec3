"""Objects of others are not found: node, cart and order, for every type and every kind of caller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from graphql import GraphQLInterfaceType

from tests.support.client import Client, Refused
from tests.support.waiting import wait_until
from uriba.config import Settings
from uriba.core.ids import global_id, new_secret_id
from uriba.graphql import nodes
from uriba.graphql.schema import api_schema

if TYPE_CHECKING:
    from tests.support.api_scenario import Scenario


SHOPPERS = ("guest", "hana", "ken")
RETAILER = ("till", "elsewhere", "app", "app catalog", "app customers", "app inventory", "staff")
EVERYBODY = frozenset(SHOPPERS + RETAILER)
HANAS = EVERYBODY - {"guest", "ken"}
GUESTS = frozenset(RETAILER)
FEED = frozenset({"app", "app catalog", "app customers", "app inventory", "staff"})

SEEN_BY = {
    "Alert": frozenset({"app inventory", "staff"}),
    "Cart": HANAS,
    "Channel": EVERYBODY,
    "Conflict": frozenset({"app inventory", "staff"}),
    "Customer": HANAS,
    "Delivery": FEED,
    "Endpoint": FEED,
    "Fulfillment": HANAS,
    "GiftCard": frozenset({"app customers", "staff"}),
    "Location": EVERYBODY,
    "Order": HANAS,
    "Payment": HANAS,
    "Product": EVERYBODY,
    "Return": HANAS,
    "StockLevel": GUESTS,
    "StockMovement": GUESTS,
    "StockTransfer": GUESTS,
    "Variant": EVERYBODY,
}
NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
ORDER = "id number status payments { id status } fulfillments { id status } customer { id }"


@dataclass
class Objects:
    """The ids of one object of each type, Hana's where they belong to a customer; and of a guest's cart and order."""

    scenario: Scenario
    ids: dict[str, str]
    guests: dict[str, str]
    guests_number: str


@pytest.fixture(scope="module")
async def objects(scenario: Scenario) -> AsyncIterator[Objects]:
    shop, staff = scenario.shop, scenario["staff"]
    hanas = (await shop.check_out(scenario["hana"], scenario.carts["hana"]))["order"]
    read = f"query ($id: ID!) {{ order(id: $id) {{ {ORDER} }} }}"
    order, guests = [(await staff.execute(read, id=one["id"]))["order"] for one in (hanas, scenario.order)]
    data = await staff.execute(
        """query ($sku: String, $at: String, $skus: [String!]) {
            variant(sku: $sku) { id product { id } }
            channels { id }
            stockLevels(location: $at, skus: $skus) { edges { node {
                id location { id } movements { edges { node { id } } }
            } } }
        }""",
        sku=shop.sku("TEA"),
        at=shop.code("S1"),
        skus=[shop.sku("TEA")],
    )
    level = data["stockLevels"]["edges"][0]["node"]
    transfer = await staff.mutate(
        "mutation ($i: StockTransferCreateInput!) { stockTransferCreate(input: $i) { transfer { id } errors { code } } }",
        i={
            "from": shop.code("S1"),
            "to": shop.code("S2"),
            "lines": [{"sku": shop.sku("TEA"), "quantity": 1}],
            "idempotencyKey": "a plan",
        },
    )
    conflict, returned = await _return_units(scenario, order)
    endpoint, delivery = await _endpoint(scenario)
    yield Objects(
        scenario,
        {
            "Alert": scenario.alert,
            "Cart": scenario.cart_id("hana"),
            "Channel": data["channels"][0]["id"],
            "Conflict": conflict,
            "Customer": order["customer"]["id"],
            "Delivery": delivery,
            "Endpoint": endpoint,
            "Fulfillment": order["fulfillments"][0]["id"],
            "GiftCard": await _gift_card(scenario),
            "Location": level["location"]["id"],
            "Order": order["id"],
            "Payment": order["payments"][0]["id"],
            "Product": data["variant"]["product"]["id"],
            "Return": returned,
            "StockLevel": level["id"],
            "StockMovement": level["movements"]["edges"][0]["node"]["id"],
            "StockTransfer": transfer["transfer"]["id"],
            "Variant": data["variant"]["id"],
        },
        {
            "Cart": scenario.cart_id("ordered"),
            "Fulfillment": guests["fulfillments"][0]["id"],
            "Order": guests["id"],
            "Payment": guests["payments"][0]["id"],
        },
        guests["number"],
    )


async def _endpoint(scenario: Scenario) -> tuple[str, str]:
    """Create an endpoint of the app's channel without a receiver; return it and its first delivery."""
    app = scenario["app"]
    made = await app.mutate(
        "mutation ($i: EndpointInput!) { endpointCreate(input: $i) { endpoint { id } errors { message } } }",
        i={"url": "http://127.0.0.1:9/", "types": ["endpoint.test"]},
    )
    endpoint: str = made["endpoint"]["id"]
    await app.mutate("mutation ($id: ID!) { endpointTest(id: $id) { errors { code } } }", id=endpoint)

    async def first() -> Any:
        data = await app.execute(
            "query ($id: ID!) { node(id: $id) { ... on Endpoint { deliveries { edges { node { id } } } } } }",
            id=endpoint,
        )
        return data["node"]["deliveries"]["edges"]

    return endpoint, (await wait_until(first))[0]["node"]["id"]


async def _gift_card(scenario: Scenario) -> str:
    issued = await scenario["staff"].mutate(
        "mutation ($i: GiftCardIssueInput!) { giftCardIssue(input: $i) { giftCard { id } errors { code } } }",
        i={"amount": {"amount": "500", "currency": "JPY"}, "idempotencyKey": "a card"},
    )
    card: str = issued["giftCard"]["id"]
    return card


async def _return_units(scenario: Scenario, order: dict[str, Any]) -> tuple[str, str]:
    """Send a till's events of a return of this order, and of an unknown SKU; return the ids of the conflict and the return."""
    event = {"type": "RETURN", "occurredAt": "2026-01-01T00:00:00Z"}
    lines = [{"sku": scenario.shop.sku("TEA"), "quantity": 1, "unitPrice": "1"}]
    await scenario["till"].mutate(
        "mutation ($i: PosSyncInput!) { posSync(input: $i) { results { status } } }",
        i={
            "sentAt": "2026-01-01T00:00:00Z",
            "events": [
                event | {"eventId": "1", "sequence": 1, "lines": lines, "originalReceipt": order["number"]},
                event | {"eventId": "2", "sequence": 2, "lines": [{"sku": "no such SKU", "quantity": 1}]},
            ],
        },
    )
    data = await scenario["staff"].execute(
        """query ($id: ID!, $at: String) { order(id: $id) { returns { id } }
            conflicts(location: $at, kind: PARKED) { edges { node { id } } } }""",
        id=order["id"],
        at=scenario.shop.code("S1"),
    )
    return data["conflicts"]["edges"][0]["node"]["id"], data["order"]["returns"][0]["id"]


def test_every_type_with_an_id_has_a_reader_and_a_permission() -> None:
    schema = api_schema(Settings())._schema
    node = schema.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)
    kinds = {kind.name for kind in schema.get_possible_types(node)}

    assert set(nodes.READERS) == kinds == set(SEEN_BY)


@pytest.mark.parametrize("kind", SEEN_BY)
async def test_a_node_is_found_by_those_who_may_read_it(objects: Objects, kind: str) -> None:
    found = {who: await node(objects.scenario[who], objects.ids[kind]) for who in EVERYBODY}

    assert found == {who: kind if who in SEEN_BY[kind] else None for who in EVERYBODY}


async def node(client: Client, node_id: str) -> str | None:
    """Return the type of the object that a caller finds by its id."""
    found = (await client.execute(NODE, id=node_id))["node"]
    assert found is None or found["id"] == node_id
    return found["__typename"] if found else None


@pytest.mark.parametrize("kind", SEEN_BY)
async def test_an_unknown_id_is_not_found(objects: Objects, kind: str) -> None:
    staff = objects.scenario["staff"]

    for key in (new_secret_id(), 10**17, 10**30, -1, "", " 1", "1:2:3", f"{10**17}:{10**17}", f"{10**30}:1"):
        assert await node(staff, global_id(kind, key)) is None, key
    assert await node(staff, objects.ids[kind] * 2) is None


@pytest.mark.parametrize("written", ["", "x", "Cart", "VW5rbm93bjox", "Q2FydDo=", "💥", "Q2FydDox\n", " "])
async def test_an_invalid_id_is_not_found(objects: Objects, written: str) -> None:
    assert await node(objects.scenario["staff"], written) is None


@pytest.mark.parametrize("who", ["guest", "ken"])
async def test_another_customers_cart_and_order_are_answered_like_unknown_ones(objects: Objects, who: str) -> None:
    query = """query ($cart: ID!, $order: ID!, $number: String!) {
        cart(id: $cart) { id } byId: order(id: $order) { id } byNumber: order(number: $number) { id } }"""
    number = (
        await objects.scenario["staff"].execute("query ($i: ID!) { order(id: $i) { number } }", i=objects.ids["Order"])
    )["order"]["number"]

    theirs = await objects.scenario[who].post(
        query, cart=objects.ids["Cart"], order=objects.ids["Order"], number=number
    )

    assert theirs == {"data": {"cart": None, "byId": None, "byNumber": None}}


@pytest.mark.parametrize("who", ["guest", "ken"])
@pytest.mark.parametrize("field", ["cartChanged(cartId", "orderChanged(orderId"])
async def test_refuses_a_subscription_to_another_customers_cart_or_order(
    objects: Objects, who: str, field: str
) -> None:
    kind = "Cart" if field.startswith("cart") else "Order"
    document = f"subscription ($id: ID!) {{ {field}: $id) {{ id }} }}"

    refused = []
    for subject in (objects.ids[kind], global_id(kind, new_secret_id())):
        async with objects.scenario[who].subscribe(document, id=subject) as subscription:
            refused.append(await subscription.next_message())

    theirs, nones = refused
    assert theirs == nones
    assert theirs["payload"]["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_a_guest_reads_an_order_through_its_cart_only(objects: Objects) -> None:
    guest, ids = objects.scenario["guest"], objects.guests

    found = {kind: await node(guest, ids[kind]) for kind in ids}
    order = await guest.execute("query ($n: String) { order(number: $n) { id } }", n=objects.guests_number)
    cart = await guest.execute(f"query ($id: ID!) {{ cart(id: $id) {{ order {{ {ORDER} }} }} }}", id=ids["Cart"])

    assert found == {"Cart": "Cart", "Fulfillment": None, "Order": None, "Payment": None}
    assert order == {"order": None}
    assert cart["cart"]["order"]["number"] == objects.guests_number
    assert cart["cart"]["order"]["payments"] == [{"id": ids["Payment"], "status": "PAID"}]


async def test_a_guest_subscribes_to_the_cart_of_an_order(objects: Objects) -> None:
    document = "subscription ($id: ID!) { cartChanged(cartId: $id) { status order { number } } }"

    async with objects.scenario["guest"].subscribe(document, id=objects.guests["Cart"]) as subscription:
        state = await subscription.next()

    assert state == {"status": "ORDERED", "order": {"number": objects.guests_number}}


async def test_a_guest_cannot_subscribe_to_an_order_by_its_id(objects: Objects) -> None:
    document = "subscription ($id: ID!) { orderChanged(orderId: $id) { number } }"

    async with objects.scenario["guest"].subscribe(document, id=objects.guests["Order"]) as subscription:
        with pytest.raises(Refused) as refused:
            await subscription.next()

    assert refused.value.codes == ["NOT_FOUND"]


@pytest.mark.parametrize("who", SHOPPERS)
async def test_a_guests_cart_does_not_show_its_customer(objects: Objects, who: str) -> None:
    query = "query ($c: ID!) { cart(id: $c) { customer { id } order { customer { id } } } }"

    data = await objects.scenario[who].execute(query, c=objects.guests["Cart"])

    assert data == {"cart": {"customer": None, "order": {"customer": None}}}


async def test_a_customer_reads_only_the_own_record(objects: Objects) -> None:
    found = {who: (await objects.scenario[who].execute("{ me { id } }"))["me"] for who in EVERYBODY}

    assert found["hana"] == {"id": objects.ids["Customer"]}
    assert found["ken"] not in (None, found["hana"])
    assert [who for who in found if found[who] is None] == [who for who in found if who not in ("hana", "ken")]


async def test_a_customer_reads_the_own_orders(objects: Objects) -> None:
    data = await objects.scenario["hana"].execute(
        f"query ($id: ID!) {{ order(id: $id) {{ {ORDER} }} me {{ orders {{ edges {{ node {{ id }} }} }} }} }}",
        id=objects.ids["Order"],
    )

    assert data["order"]["customer"]["id"] == objects.ids["Customer"]
    assert data["order"]["payments"][0]["id"] == objects.ids["Payment"]
    assert [edge["node"]["id"] for edge in data["me"]["orders"]["edges"]] == [objects.ids["Order"]]
