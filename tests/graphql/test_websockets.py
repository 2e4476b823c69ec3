"""WebSockets that break the protocol graphql-transport-ws, come from other origins, or have too many operations."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.support.shop import Shop
from tests.support.websocket_client import TRANSPORT, open_websocket
from uriba.graphql.engine.endpoint import SUBSCRIPTIONS_PER_SOCKET, GraphQLEndpoint

if TYPE_CHECKING:
    from tests.support.api_scenario import Scenario
    from tests.support.hub import RunningHub

PUBLIC = "{ channels { code } }"
FOLLOW = "subscription ($c: String!, $s: [String!]!) { availabilityChanged(channel: $c, skus: $s) { sku } }"


@pytest.mark.parametrize("protocols", [["graphql-ws"], ["graphql-ws", "x"], None])
async def test_refuses_other_protocols(hub: RunningHub, protocols: list[Subprotocol] | None) -> None:
    async with open_websocket(hub.url, protocols=protocols) as socket:
        assert await socket.close_code() == 4406


async def test_chooses_graphql_transport_ws_where_a_client_offers_both(hub: RunningHub) -> None:
    async with open_websocket(hub.url, protocols=[Subprotocol("graphql-ws"), TRANSPORT]) as socket:
        await socket.init()


async def test_closes_a_websocket_that_subscribes_before_connection_init(hub: RunningHub) -> None:
    async with open_websocket(hub.url) as socket:
        await socket.subscribe(PUBLIC)

        assert await socket.close_code() == 4401


async def test_closes_a_websocket_without_connection_init_after_a_timeout(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert GraphQLEndpoint.connection_init_wait_timeout <= timedelta(seconds=10)
    monkeypatch.setattr(GraphQLEndpoint, "connection_init_wait_timeout", timedelta(milliseconds=20))

    async with open_websocket(hub.url) as socket:
        assert await socket.close_code() == 4408


async def test_closes_a_websocket_with_two_connection_inits(hub: RunningHub) -> None:
    async with open_websocket(hub.url) as socket:
        await socket.init()
        await socket.send({"type": "connection_init"})

        assert await socket.close_code() == 4429


@pytest.mark.parametrize("payload", [[1], "x", 5, None])
async def test_closes_a_websocket_with_an_invalid_connection_init(hub: RunningHub, payload: object) -> None:
    async with open_websocket(hub.url) as socket:
        await socket.send({"type": "connection_init", "payload": payload})

        assert await socket.close_code() == 4400


SUBSCRIBE = {"id": "1", "type": "subscribe", "payload": {"query": PUBLIC}}
INVALID_MESSAGES: dict[str, Any] = {
    "broken JSON": "{",
    "an empty text": "",
    "bytes": b"{}",
    "a list": [SUBSCRIBE],
    "a number": "5",
    "nested too deeply": "[" * 99_999,
    "a lone surrogate": '{"type": "\\ud800"}',
    "no type": {},
    "an unknown type": {"type": "start", "id": "1", "payload": {"query": PUBLIC}},
    "a type that is not text": {"type": ["subscribe"]},
    "no id": {"type": "subscribe", "payload": {"query": PUBLIC}},
    "an id that is not text": {**SUBSCRIBE, "id": [1]},
    "an id to complete that is not text": {"type": "complete", "id": {}},
    "no id to complete": {"type": "complete"},
    "no payload": {"type": "subscribe", "id": "1"},
    "no query": {**SUBSCRIBE, "payload": {}},
    "a query that is not text": {**SUBSCRIBE, "payload": {"query": 5}},
    "variables that are not an object": {**SUBSCRIBE, "payload": {"query": PUBLIC, "variables": [1]}},
    "a name that is not text": {**SUBSCRIBE, "payload": {"query": PUBLIC, "operationName": []}},
}


@pytest.mark.parametrize("name", INVALID_MESSAGES)
async def test_closes_a_websocket_that_sends_an_invalid_message(hub: RunningHub, name: str) -> None:
    async with open_websocket(hub.url) as socket:
        await socket.init()
        await socket.send(INVALID_MESSAGES[name])

        assert await socket.close_code() == 4400


async def test_closes_a_websocket_that_uses_an_id_twice(shop: Shop) -> None:
    async with open_websocket(shop.hub.url) as socket:
        await socket.init()
        for _ in range(2):
            await socket.subscribe(FOLLOW, c=shop.code("app"), s=[shop.sku("TEA")])

        assert await socket.close_code() == 4409


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("", "GRAPHQL_VALIDATION_FAILED"),
        ("{ channels {", "GRAPHQL_PARSE_FAILED"),
        ("fragment A on Query { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { __typename } query B { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { cartChanged { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query ($i: ID!) { cart(id: $i) { id } }", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_answers_an_invalid_document_and_continues(hub: RunningHub, document: str, code: str) -> None:
    async with open_websocket(hub.url) as socket:
        await socket.init()
        await socket.subscribe(document, id="bad")
        refused = await socket.receive()
        if refused["type"] == "next":
            assert (await socket.receive())["type"] == "complete"
        await socket.subscribe("{ __typename }", id="good")
        answer = await socket.receive()

    errors = refused["payload"] if refused["type"] == "error" else refused["payload"]["errors"]
    assert [error["extensions"]["code"] for error in errors] == [code]
    assert answer == {"id": "good", "type": "next", "payload": {"data": {"__typename": "Query"}}}


async def test_executes_queries_and_mutations_too(scenario: Scenario) -> None:
    async with open_websocket(scenario["guest"].url) as socket:
        await socket.init(**{"uriba-channel": scenario.shop.code("web")})
        await socket.subscribe("mutation { cartCreate(input: {}) { cart { channel { code } } errors { code } } }")
        answer, ended = await socket.receive(), await socket.receive()

    cart = {"channel": {"code": scenario.shop.code("web")}}
    assert answer["payload"] == {"data": {"cartCreate": {"cart": cart, "errors": []}}}
    assert ended == {"id": "1", "type": "complete"}


async def test_answers_a_ping(hub: RunningHub) -> None:
    async with open_websocket(hub.url) as socket:
        await socket.init()
        await socket.send({"type": "ping"})

        assert (await socket.receive())["type"] == "pong"


async def test_limits_the_operations_of_a_websocket(shop: Shop) -> None:
    variables = {"c": shop.code("app"), "s": [shop.sku("TEA")]}

    async with open_websocket(shop.hub.url) as socket:
        await socket.init()
        for n in range(SUBSCRIPTIONS_PER_SOCKET):
            await socket.subscribe(FOLLOW, id=str(n), **variables)
        firsts = [await socket.receive() for _ in range(SUBSCRIPTIONS_PER_SOCKET)]
        await socket.subscribe(FOLLOW, id="more", **variables)
        refused = await socket.receive()
        await socket.send({"type": "complete", "id": "0"})
        await socket.subscribe(FOLLOW, id="more", **variables)
        again = await socket.receive()

    assert {message["id"] for message in firsts} == {str(n) for n in range(SUBSCRIPTIONS_PER_SOCKET)}
    assert {message["type"] for message in firsts} == {"next"}
    assert (refused["id"], refused["type"]) == ("more", "error")
    assert [error["extensions"]["code"] for error in refused["payload"]] == ["LIMIT_EXCEEDED"]
    assert (again["id"], again["type"]) == ("more", "next")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"])
async def test_refuses_another_origin(hub: RunningHub, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with open_websocket(hub.url, origin=origin):
            pass

    assert refused.value.response.status_code == 403


async def test_accepts_its_own_origin(hub: RunningHub) -> None:
    async with open_websocket(hub.url, origin=hub.url.removesuffix("/graphql")) as socket:
        await socket.init()
