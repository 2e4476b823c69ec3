"""WebSockets that do not keep to graphql-transport-ws, come from elsewhere, or ask for too much."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sockets import TRANSPORT, opened
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from shop import Shop
from uriba.graphql.engine.endpoint import SUBSCRIPTIONS_PER_SOCKET, GraphQLEndpoint

if TYPE_CHECKING:
    from stages import Stage

    from conftest import RunningHub

PUBLIC = "{ channels { code } }"
FOLLOW = "subscription ($c: String!, $s: [String!]!) { availabilityChanged(channel: $c, skus: $s) { sku } }"


@pytest.mark.parametrize("protocols", [["graphql-ws"], ["graphql-ws", "x"], None])
async def test_speaks_no_other_protocol(hub: RunningHub, protocols: list[Subprotocol] | None) -> None:
    async with opened(hub.url, protocols=protocols) as socket:
        assert await socket.closed() == 4406


async def test_speaks_the_new_protocol_where_a_client_offers_both(hub: RunningHub) -> None:
    async with opened(hub.url, protocols=[Subprotocol("graphql-ws"), TRANSPORT]) as socket:
        await socket.begin()


async def test_closes_a_socket_that_asks_before_it_begins(hub: RunningHub) -> None:
    async with opened(hub.url) as socket:
        await socket.ask(PUBLIC)

        assert await socket.closed() == 4401


async def test_closes_a_socket_that_does_not_begin(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert GraphQLEndpoint.connection_init_wait_timeout <= timedelta(seconds=10)
    monkeypatch.setattr(GraphQLEndpoint, "connection_init_wait_timeout", timedelta(milliseconds=20))

    async with opened(hub.url) as socket:
        assert await socket.closed() == 4408


async def test_closes_a_socket_that_begins_twice(hub: RunningHub) -> None:
    async with opened(hub.url) as socket:
        await socket.begin()
        await socket.send({"type": "connection_init"})

        assert await socket.closed() == 4429


@pytest.mark.parametrize("payload", [[1], "x", 5, None])
async def test_closes_a_socket_that_begins_with_nonsense(hub: RunningHub, payload: object) -> None:
    async with opened(hub.url) as socket:
        await socket.send({"type": "connection_init", "payload": payload})

        assert await socket.closed() == 4400


SUBSCRIBE = {"id": "1", "type": "subscribe", "payload": {"query": PUBLIC}}
NONSENSE: dict[str, Any] = {
    "broken JSON": "{",
    "nothing": "",
    "bytes": b"{}",
    "a list": [SUBSCRIBE],
    "a number": "5",
    "nested without end": "[" * 99_999,
    "half a character": '{"type": "\\ud800"}',
    "no type": {},
    "an unknown type": {"type": "start", "id": "1", "payload": {"query": PUBLIC}},
    "a type that is none": {"type": ["subscribe"]},
    "no id": {"type": "subscribe", "payload": {"query": PUBLIC}},
    "an id that is none": {**SUBSCRIBE, "id": [1]},
    "an id to end that is none": {"type": "complete", "id": {}},
    "no id to end": {"type": "complete"},
    "no payload": {"type": "subscribe", "id": "1"},
    "no query": {**SUBSCRIBE, "payload": {}},
    "a query that is none": {**SUBSCRIBE, "payload": {"query": 5}},
    "variables that are none": {**SUBSCRIBE, "payload": {"query": PUBLIC, "variables": [1]}},
    "a name that is none": {**SUBSCRIBE, "payload": {"query": PUBLIC, "operationName": []}},
}


@pytest.mark.parametrize("name", NONSENSE)
async def test_closes_a_socket_that_speaks_nonsense(hub: RunningHub, name: str) -> None:
    async with opened(hub.url) as socket:
        await socket.begin()
        await socket.send(NONSENSE[name])

        assert await socket.closed() == 4400


async def test_closes_a_socket_that_uses_an_id_twice(shop: Shop) -> None:
    async with opened(shop.hub.url) as socket:
        await socket.begin()
        for _ in range(2):
            await socket.ask(FOLLOW, c=shop.code("app"), s=[shop.sku("TEA")])

        assert await socket.closed() == 4409


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
async def test_answers_a_document_that_cannot_run_and_goes_on(hub: RunningHub, document: str, code: str) -> None:
    async with opened(hub.url) as socket:
        await socket.begin()
        await socket.ask(document, id="bad")
        refused = await socket.next()
        if refused["type"] == "next":
            assert (await socket.next())["type"] == "complete"
        await socket.ask("{ __typename }", id="good")
        answer = await socket.next()

    errors = refused["payload"] if refused["type"] == "error" else refused["payload"]["errors"]
    assert [error["extensions"]["code"] for error in errors] == [code]
    assert answer == {"id": "good", "type": "next", "payload": {"data": {"__typename": "Query"}}}


async def test_runs_queries_and_mutations_too(stage: Stage) -> None:
    async with opened(stage["guest"].url) as socket:
        await socket.begin(**{"uriba-channel": stage.shop.code("web")})
        await socket.ask("mutation { cartCreate(input: {}) { cart { channel { code } } errors { code } } }")
        answer, ended = await socket.next(), await socket.next()

    cart = {"channel": {"code": stage.shop.code("web")}}
    assert answer["payload"] == {"data": {"cartCreate": {"cart": cart, "errors": []}}}
    assert ended == {"id": "1", "type": "complete"}


async def test_answers_a_ping(hub: RunningHub) -> None:
    async with opened(hub.url) as socket:
        await socket.begin()
        await socket.send({"type": "ping"})

        assert (await socket.next())["type"] == "pong"


async def test_follows_so_many_at_once_and_no_more(shop: Shop) -> None:
    given = {"c": shop.code("app"), "s": [shop.sku("TEA")]}

    async with opened(shop.hub.url) as socket:
        await socket.begin()
        for n in range(SUBSCRIPTIONS_PER_SOCKET):
            await socket.ask(FOLLOW, id=str(n), **given)
        firsts = [await socket.next() for _ in range(SUBSCRIPTIONS_PER_SOCKET)]
        await socket.ask(FOLLOW, id="more", **given)
        refused = await socket.next()
        await socket.send({"type": "complete", "id": "0"})
        await socket.ask(FOLLOW, id="more", **given)
        again = await socket.next()

    assert {message["id"] for message in firsts} == {str(n) for n in range(SUBSCRIPTIONS_PER_SOCKET)}
    assert {message["type"] for message in firsts} == {"next"}
    assert (refused["id"], refused["type"]) == ("more", "error")
    assert [error["extensions"]["code"] for error in refused["payload"]] == ["LIMIT_EXCEEDED"]
    assert (again["id"], again["type"]) == ("more", "next")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"])
async def test_refuses_a_page_of_another_origin(hub: RunningHub, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with opened(hub.url, origin=origin):
            pass

    assert refused.value.response.status_code == 403


async def test_takes_a_page_of_its_own_origin(hub: RunningHub) -> None:
    async with opened(hub.url, origin=hub.url.removesuffix("/graphql")) as socket:
        await socket.begin()
