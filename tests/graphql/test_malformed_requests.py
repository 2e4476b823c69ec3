"""Malformed requests are refused before anything is executed, with errors in the API's format."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.api_scenario import Scenario
    from tests.support.table_rows import Unchanged

JSON = "application/json"
BEGIN = "mutation { cartCreate(input: {}) { cart { id } errors { code } } }"
BEGUN = json.dumps({"query": BEGIN}).encode()

BODIES: dict[str, tuple[bytes, str, int, str]] = {
    "an empty body": (b"", JSON, 400, "BAD_REQUEST"),
    "broken JSON": (BEGUN[:-1], JSON, 400, "BAD_REQUEST"),
    "two documents of JSON": (BEGUN + BEGUN, JSON, 400, "BAD_REQUEST"),
    "not UTF-8": (BEGUN.replace(b"cart", b"c\xe4rt"), JSON, 400, "BAD_REQUEST"),
    "UTF-16": (BEGUN.decode().encode("utf-16"), JSON, 400, "BAD_REQUEST"),
    "a lone surrogate": (b'{"query": "{ __typename }", "variables": {"a": "\\ud800"}}', JSON, 400, "BAD_REQUEST"),
    "a surrogate's bytes": (
        b'{"query": "{ __typename }", "variables": {"a": "\xed\xa0\x80"}}',
        JSON,
        400,
        "BAD_REQUEST",
    ),
    "a raw NUL": (b'{"query": "{ __typename }\x00"}', JSON, 400, "BAD_REQUEST"),
    "a batch": (b"[" + BEGUN + b"]", JSON, 400, "BAD_REQUEST"),
    "no query": (b"{}", JSON, 400, "BAD_REQUEST"),
    "a query that is not text": (b'{"query": 5}', JSON, 400, "BAD_REQUEST"),
    "variables that are not an object": (b'{"query": "{ __typename }", "variables": [1]}', JSON, 400, "BAD_REQUEST"),
    "a name that is not text": (b'{"query": "{ __typename }", "operationName": 5}', JSON, 400, "BAD_REQUEST"),
    "a number too large": (b'{"query": "{ __typename }", "variables": {"a": 1e999}}', JSON, 400, "BAD_REQUEST"),
    "nested too deeply": (b'{"query": "", "variables": {"a": ' + b"[" * 99_999, JSON, 400, "BAD_REQUEST"),
    "10 MB": (b" " * 10_000_000 + BEGUN, JSON, 413, "PAYLOAD_TOO_LARGE"),
    "10 MB in a variable": (b'{"query": "", "variables": {"a": "' + b"x" * 10_000_000, JSON, 413, "PAYLOAD_TOO_LARGE"),
    "a form": (b"query=" + BEGIN.encode(), "application/x-www-form-urlencoded", 415, "BAD_REQUEST"),
    "a browser's simple request": (BEGUN, "text/plain", 415, "BAD_REQUEST"),
    "files": (BEGUN, "multipart/form-data; boundary=x", 415, "BAD_REQUEST"),
    "a bare document": (BEGIN.encode(), "application/graphql", 415, "BAD_REQUEST"),
    "no content type": (BEGUN, "", 415, "BAD_REQUEST"),
}


@pytest.mark.parametrize("name", BODIES)
async def test_refuses_a_body_that_is_not_a_request(scenario: Scenario, unchanged: Unchanged, name: str) -> None:
    body, kind, status, code = BODIES[name]
    web = scenario["guest"]

    async with unchanged():
        response = await web.http.post(web.url, content=body, headers={"content-type": kind} if kind else {})

    (error,) = response.json()["errors"]
    assert (response.status_code, error["extensions"]["code"]) == (status, code)
    assert error["message"]


async def test_refuses_a_chunked_body_that_becomes_too_large(scenario: Scenario, unchanged: Unchanged) -> None:
    web = scenario["guest"]

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100_000
        yield BEGUN

    async with unchanged():
        response = await web.http.post(web.url, content=chunks(), headers={"content-type": JSON})

    assert response.status_code == 413
    assert response.json()["errors"][0]["extensions"]["code"] == "PAYLOAD_TOO_LARGE"


@pytest.mark.parametrize("kind", [JSON, "Application/JSON; charset=utf-8", "application/graphql-response+json"])
async def test_accepts_all_spellings_of_the_json_content_type(scenario: Scenario, kind: str) -> None:
    web = scenario["guest"]

    response = await web.http.post(web.url, content=b'{"query": "{ __typename }"}', headers={"content-type": kind})

    assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("document", ["{ channels { code } }", BEGIN])
@pytest.mark.parametrize("accept", ["application/json", "*/*"])
async def test_get_executes_nothing(scenario: Scenario, unchanged: Unchanged, document: str, accept: str) -> None:
    web = scenario["guest"]

    async with unchanged():
        response = await web.http.get(web.url, params={"query": document}, headers={"accept": accept})

    assert response.status_code == 405
    assert response.json()["errors"][0]["extensions"]["code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_refuses_other_methods(scenario: Scenario, method: str) -> None:
    web = scenario["guest"]

    response = await web.http.request(method, web.url, content=BEGUN, headers={"content-type": JSON})

    assert response.status_code == 405
    assert response.json()["errors"][0]["extensions"]["code"] == "METHOD_NOT_ALLOWED"


DOCUMENTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "nothing": ("", {}, "GRAPHQL_VALIDATION_FAILED"),
    "a comment": ("# nothing", {}, "GRAPHQL_PARSE_FAILED"),
    "an open brace": ("{ channels { code }", {}, "GRAPHQL_PARSE_FAILED"),
    "no operation": ("fragment A on Query { __typename }", {}, "GRAPHQL_VALIDATION_FAILED"),
    "an unknown field": ("{ nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
    "an unknown argument": ("{ channels(first: 1) { code } }", {}, "GRAPHQL_VALIDATION_FAILED"),
    "a missing argument": ("{ cart { id } }", {}, "GRAPHQL_VALIDATION_FAILED"),
    "a missing variable": ("query ($i: ID!) { cart(id: $i) { id } }", {}, "GRAPHQL_VALIDATION_FAILED"),
    "null for a variable": ("query ($i: ID!) { cart(id: $i) { id } }", {"i": None}, "GRAPHQL_VALIDATION_FAILED"),
    "a list for a text": ("query ($i: ID!) { cart(id: $i) { id } }", {"i": ["x"]}, "GRAPHQL_VALIDATION_FAILED"),
    "an overflowing number": ("{ locations(first: 2147483648) { __typename } }", {}, "GRAPHQL_VALIDATION_FAILED"),
    "an overflowing variable": (
        "query ($n: Int) { locations(first: $n) { __typename } }",
        {"n": 2**31},
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "a text for a number": (
        "query ($n: Int) { locations(first: $n) { __typename } }",
        {"n": "5"},
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "a broken number": (
        "query ($n: Int) { locations(first: $n) { __typename } }",
        {"n": 1.5},
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "a subscription": ('subscription { cartChanged(cartId: "x") { id } }', {}, "GRAPHQL_VALIDATION_FAILED"),
    "a fragment of itself": ("{ ...A } fragment A on Query { ...A }", {}, "GRAPHQL_VALIDATION_FAILED"),
    "two operations without a name": (
        "query A { __typename } mutation B { __typename }",
        {},
        "GRAPHQL_VALIDATION_FAILED",
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_refuses_an_invalid_document(scenario: Scenario, name: str) -> None:
    document, variables, code = DOCUMENTS[name]

    answer = await scenario["guest"].post(document, **variables)

    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == [code]


LINES = "mutation ($c: ID!, $l: [CartLineInput!]!) { cartLinesAdd(cartId: $c, lines: $l) { errors { code } } }"


@pytest.mark.parametrize("quantity", [2**31, -(2**31) - 1, 2**63, 2**64, 10**400, 1.5, "1", True, None, [1]])
async def test_refuses_a_quantity_that_is_not_an_int(
    scenario: Scenario, unchanged: Unchanged, quantity: object
) -> None:
    line = {"sku": scenario.shop.sku("TEA"), "quantity": quantity}

    async with unchanged():
        response = await scenario["guest"].http.post(
            scenario["guest"].url, json={"query": LINES, "variables": {"c": scenario.cart_id("guest"), "l": [line]}}
        )

    codes = [error["extensions"]["code"] for error in response.json()["errors"]]
    assert codes in (["GRAPHQL_VALIDATION_FAILED"], ["BAD_REQUEST"])


PRICES = "mutation ($p: [PriceInput!]!) { pricesUpsert(prices: $p) { count errors { code } } }"


@pytest.mark.parametrize("field", ["validFrom", "validTo"])
@pytest.mark.parametrize("when", ["yesterday", "", "2026-02-30T00:00:00Z", "24:00", 5, True])
async def test_refuses_an_invalid_time(scenario: Scenario, unchanged: Unchanged, field: str, when: object) -> None:
    amount = {"amount": "650", "currency": "JPY"}
    row = {"sku": scenario.shop.sku("TEA"), "channel": scenario.shop.code("app"), "amount": amount, field: when}

    async with unchanged():
        answer = await scenario["staff"].post(PRICES, p=[row])

    assert [error["extensions"]["code"] for error in answer["errors"]] == ["GRAPHQL_VALIDATION_FAILED"]
