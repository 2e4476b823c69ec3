"""Limits of a query: depth, aliases, tokens, cost and page size, in every way to write them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from graphql import OperationDefinitionNode, parse

from tests.support.shop import ORDER, Shop
from tests.support.websocket_client import open_websocket
from uriba.config import Settings
from uriba.graphql.examples import EXAMPLES

if TYPE_CHECKING:
    from tests.support.api_scenario import Scenario

LIMITS = Settings()
TOO_COMPLEX = "QUERY_TOO_COMPLEX"
SECONDS = 5
"""More than the refusal of any of these documents may take."""

TWELVE_DEEP = (
    "{ me { orders(first: 1) { edges { node { customer { orders(first: 1) { edges { node { customer { "
    "orders(first: 1) { edges { node { %s } } } } } } } } } } } } }"
)
ROWS = "products(first: %s) { edges { node { variants { product { variants { product { variants { %s } } } } } } } }"


def tower(levels: int, top: str) -> str:
    """Return fragments that spread each other twice each: 2 ** levels fields in a short document."""
    floors = "".join(f" fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels))
    return f"{{ ...F0 }}{floors} fragment F{levels} on Query {{ {top} }}"


def spread(count: int, selection: str) -> str:
    """Return this many fragments that select the same field."""
    fragments = " ".join(f"fragment F{n} on Query {{ {selection} }}" for n in range(count))
    return f"{{ {' '.join(f'...F{n}' for n in range(count))} }} {fragments}"


OF_CUSTOMER = f"""
    fragment O on Order {{ {ORDER} }}
    fragment C on Customer {{
        orders(first: 1) {{ edges {{ node {{ ...O }} }} }}
        carts {{ order {{ ...O customer {{ carts {{ order {{ ...O }} }} }} }} }}
    }}
"""

REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "13 levels": (TWELVE_DEEP % "customer { id }", {}),
    "13 levels in fragments": (
        "{ me { ...A } } fragment A on Customer { orders(first: 1) { edges { node { customer { ...B } } } } } "
        "fragment B on Customer { orders(first: 1) { edges { node { customer { ...C } } } } } "
        "fragment C on Customer { orders(first: 1) { edges { node { customer { id } } } } }",
        {},
    ),
    "13 levels in inline fragments": (TWELVE_DEEP % "... { ... on Order { customer { id } } }", {}),
    "16 aliases": ("{ " + " ".join(f"a{n}: __typename" for n in range(16)) + " }", {}),
    "16 aliases in fragments": (
        "{ channels { ...A } locations { edges { node { ...B } } } } "
        f"fragment A on Channel {{ {' '.join(f'a{n}: code' for n in range(8))} }} "
        f"fragment B on Location {{ {' '.join(f'b{n}: code' for n in range(8))} }}",
        {},
    ),
    "one field 26 times": ("{ " + "__typename " * 26 + "}", {}),
    "one field 490 times": ("{ " + "channels { code } " * 490 + "}", {}),
    "one field in many fragments": (spread(140, "channels { code }"), {}),
    "one field of one field": ("{ %s }" % (("channels { " + "locations { code } " * 9 + "} ") * 9), {}),
    "more fields than there are words": (spread(25, "me { ...C }") + OF_CUSTOMER, {}),
    "a tower of fragments": (tower(150, "__typename"), {}),
    "a tower of aliases": (tower(150, "a: __typename"), {}),
    "a tower of pages": (tower(12, "channels { locations { code } }"), {}),
    "many rows": ("{ %s }" % (ROWS % (100, "sku name taxClass")), {}),
    "many rows by a variable": ("query ($n: Int) { %s }" % (ROWS % ("$n", "sku name taxClass")), {"n": 100}),
    "many rows by a variable's default": ("query ($n: Int = 100) { %s }" % (ROWS % ("$n", "sku name taxClass")), {}),
    "many rows by a variable that is not given": ("query ($n: Int) { %s }" % (ROWS % ("$n", "sku name taxClass")), {}),
    "many rows in a fragment": (
        "{ ...A } fragment A on Query { %s }" % (ROWS % (100, "sku name taxClass")),
        {},
    ),
    "pages within pages": (
        "{ locations(first: 100) { edges { cursor } } "
        "orders(first: 100) { edges { node { customer { orders(first: 100) { edges { node { id number } } } } } } } }",
        {},
    ),
    "more rows than a page has": ("{ %s }" % (ROWS % (2**31 - 1, "sku")), {}),
}

ALLOWED: dict[str, tuple[str, dict[str, Any]]] = {
    "12 levels": (TWELVE_DEEP % "id", {}),
    "one field 25 times": ("{ " + "__typename " * 25 + "}", {}),
    "15 aliases": ("{ " + " ".join(f"a{n}: __typename" for n in range(15)) + " }", {}),
    "a tower of ten": (tower(10, "__typename"), {}),
    "some rows": ("{ %s }" % (ROWS % (5, "sku name taxClass")), {}),
    "some rows by a variable": ("query ($n: Int) { %s }" % (ROWS % ("$n", "sku name taxClass")), {"n": 5}),
    "a page of browsing": (
        "query ($c: String) { products(channel: $c, first: 20) { edges { node { name variants { sku "
        "price { amount } availability { status pickup(first: 3) { location { name } quantity } } } } } } }",
        {},
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refuses_a_too_complex_document(scenario: Scenario, name: str) -> None:
    document, variables = REFUSED[name]

    async with asyncio.timeout(SECONDS):
        answer = await scenario["staff"].post(document, **variables)

    assert answer["data"] is None
    assert {error["extensions"]["code"] for error in answer["errors"]} == {TOO_COMPLEX}


@pytest.mark.parametrize("name", REFUSED)
async def test_refuses_a_too_complex_document_over_a_websocket(scenario: Scenario, name: str) -> None:
    document, variables = REFUSED[name]

    async with open_websocket(scenario["guest"].url) as socket:
        await socket.init()
        await socket.subscribe(document, **variables)
        answer = await socket.receive()

    assert answer["type"] == "error"
    assert {error["extensions"]["code"] for error in answer["payload"]} == {TOO_COMPLEX}


async def test_checks_the_cost_again_for_other_variables(scenario: Scenario) -> None:
    document, few = ALLOWED["some rows by a variable"]

    codes = []
    for variables in (few, {"n": 100}, few, {"n": None}, {"n": "many"}, {}):
        answer = await scenario["staff"].post(document, **variables)
        codes.append([error["extensions"]["code"] for error in answer.get("errors", ())])

    assert codes == [[], ["QUERY_TOO_COMPLEX"], [], ["QUERY_TOO_COMPLEX"], ["QUERY_TOO_COMPLEX"], ["QUERY_TOO_COMPLEX"]]


@pytest.mark.parametrize("name", ALLOWED)
async def test_allows_the_queries_of_a_web_shop(scenario: Scenario, name: str) -> None:
    document, variables = ALLOWED[name]

    answer = await scenario["staff"].post(document, c=scenario.shop.code("app"), **variables)

    assert "errors" not in answer


def operations(document: str) -> list[str]:
    return [d.name.value for d in parse(document).definitions if isinstance(d, OperationDefinitionNode) and d.name]


@pytest.mark.parametrize("name", operations(EXAMPLES))
async def test_allows_the_examples_of_graphiql(scenario: Scenario, name: str) -> None:
    async with open_websocket(scenario["staff"].url) as socket:
        await socket.init(**scenario["staff"].headers)
        payload = {"query": EXAMPLES, "operationName": name}
        await socket.send({"id": "1", "type": "subscribe", "payload": payload})
        answer = await socket.receive()

    assert answer["type"] == "next"
    codes = {error["extensions"]["code"] for error in answer["payload"].get("errors", ())}
    assert codes <= {"NOT_FOUND"}, answer


async def test_refuses_too_many_mutations_in_one_request(scenario: Scenario) -> None:
    """Each costs as much as ten fields, so that one request cannot create any number of carts."""
    one = "cartCreate(input: {}) { cart { lines { variant { stockLevels(first: 100) { edges { node { id } } } } } } }"

    answer = await scenario["staff"].post("mutation { " + " ".join(f"a{n}: {one}" for n in range(15)) + " }")

    assert [error["extensions"]["code"] for error in answer["errors"]] == [TOO_COMPLEX]


@pytest.mark.parametrize(
    "document",
    [
        "{ " + "__typename " * LIMITS.query_tokens_max + "}",
        "{ " + "channels { code } " * (LIMITS.query_tokens_max // 4) + "}",
        "{ variant(sku: " + "[" * LIMITS.query_tokens_max,
        "{ " + "channels { " * (LIMITS.query_tokens_max // 2 - 1),
        "# " + "x" * 900_000,
    ],
    ids=["fields", "objects", "lists", "depth", "comment"],
)
async def test_refuses_a_document_with_too_many_tokens(scenario: Scenario, document: str) -> None:
    async with asyncio.timeout(SECONDS):
        answer = await scenario["guest"].post(document)

    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["GRAPHQL_PARSE_FAILED"]


async def test_refuses_introspection_that_is_too_deep(scenario: Scenario) -> None:
    kind = "fields { type { %s } }"
    document = "{ __schema { types { " + kind % (kind % (kind % (kind % "name"))) + " } } }"

    answer = await scenario["guest"].post(document)

    assert [error["extensions"]["code"] for error in answer["errors"]] == ["GRAPHQL_VALIDATION_FAILED"]


PAGES = {
    "products": "{ products(first: %s) { edges { cursor } pageInfo { hasNextPage } } }",
    "locations": "{ locations(first: %s) { edges { cursor } pageInfo { hasNextPage } } }",
    "orders": "{ orders(first: %s) { edges { cursor } pageInfo { hasNextPage } } }",
    "stockLevels": "{ stockLevels(first: %s) { edges { cursor } pageInfo { hasNextPage } } }",
}
WITHIN = {
    "variant.stockLevels": "stockLevels(first: %s) { edges { cursor } pageInfo { hasNextPage } }",
    "variant.availability.pickup": 'availability(channel: "CHANNEL") { pickup(first: %s) { quantity } }',
    "movements": "stockLevels(first: 1) { edges { node { movements(first: %s) { edges { cursor } } } } }",
}


@pytest.mark.parametrize("first", [101, -1, 1_000, 2**31 - 1])
@pytest.mark.parametrize("field", PAGES)
async def test_refuses_a_page_size_that_is_too_large_or_negative(scenario: Scenario, field: str, first: int) -> None:
    answer = await scenario["staff"].post(PAGES[field] % first)

    (error,) = answer["errors"]
    assert (error["extensions"], error["path"]) == ({"code": "INVALID", "argument": ["first"]}, [field])
    assert answer["data"] is None


@pytest.mark.parametrize("first", [101, -1])
@pytest.mark.parametrize("field", WITHIN)
async def test_refuses_a_too_large_page_of_a_nested_connection(scenario: Scenario, field: str, first: int) -> None:
    part = WITHIN[field].replace("CHANNEL", scenario.shop.code("app")) % first

    answer = await scenario["staff"].post(
        f"query ($sku: String) {{ variant(sku: $sku) {{ {part} }} }}", sku=scenario.shop.sku("TEA")
    )

    assert {error["extensions"]["code"] for error in answer["errors"]} == {"INVALID"}
    assert {tuple(error["extensions"]["argument"]) for error in answer["errors"]} == {("first",)}


@pytest.mark.parametrize("field", PAGES)
async def test_a_page_of_zero_rows_tells_whether_there_are_more(scenario: Scenario, field: str) -> None:
    data = await scenario["staff"].execute(PAGES[field] % 0)

    assert data[field] == {"edges": [], "pageInfo": {"hasNextPage": True}}


@pytest.mark.parametrize("field", PAGES)
async def test_a_page_size_of_null_is_the_default_size(scenario: Scenario, field: str) -> None:
    data = await scenario["staff"].execute(PAGES[field] % "null")

    assert 0 < len(data[field]["edges"]) <= 50


@pytest.mark.parametrize(
    "cursor", ["", "x", "💥", "MQ", "LTE=", "MS41", "MTA6MTA6MTA=", "bm90aGluZw==", "OTk5OTk5OTk5OTk5OTk5OTk5OTk="]
)
@pytest.mark.parametrize("field", PAGES)
async def test_refuses_an_invalid_cursor(scenario: Scenario, field: str, cursor: str) -> None:
    answer = await scenario["staff"].post(
        f"query ($after: String) {{ {field}(after: $after) {{ __typename }} }}", after=cursor
    )

    (error,) = answer["errors"]
    assert error["extensions"] == {"code": "INVALID", "argument": ["after"]}


@pytest.mark.parametrize("count", [0, 101])
async def test_refuses_a_subscription_to_no_sku_or_too_many(shop: Shop, count: int) -> None:
    document = "subscription ($c: String!, $s: [String!]!) { availabilityChanged(channel: $c, skus: $s) { sku } }"

    async with shop.guest().subscribe(document, c=shop.code("app"), s=[shop.sku("TEA")] * count) as subscription:
        message = await subscription.next_message()

    (error,) = message["payload"]["errors"]
    assert error["extensions"] == {"code": "INVALID", "argument": ["skus"]}


async def test_refuses_more_skus_than_one_call_may_have(scenario: Scenario) -> None:
    query = "query ($s: [String!]) { stockLevels(skus: $s) { edges { cursor } } }"

    answer = await scenario["staff"].post(query, s=["x"] * 1_001)

    (error,) = answer["errors"]
    assert error["extensions"] == {"code": "LIMIT_EXCEEDED", "argument": ["skus"]}


async def test_refuses_a_too_long_search_text(scenario: Scenario) -> None:
    answer = await scenario["guest"].post("query ($s: String) { products(search: $s) { __typename } }", s="x" * 101)

    (error,) = answer["errors"]
    assert error["extensions"] == {"code": "LIMIT_EXCEEDED", "argument": ["search"]}
