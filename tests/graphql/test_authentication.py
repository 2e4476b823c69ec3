"""Keys: an invalid, expired or revoked key is UNAUTHENTICATED on every field, public ones too."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.support.client import Client
from tests.support.shop import ERRORS, Shop
from uriba.access import keys
from uriba.access.authentication import CACHE_TTL_S, Authenticator
from uriba.core.errors import Unauthenticated
from uriba.outbox.hints import KEYS

if TYPE_CHECKING:
    from tests.support.api_scenario import Scenario
    from tests.support.hub import RunningHub

PUBLIC = "{ channels { code } }"
REVOCATION_S = CACHE_TTL_S / 2
"""Far less than a key stays cached where the hint of its revocation is lost."""


def key_id(key: str) -> str:
    return key.split("_")[2]


FORGED = {
    "a word": lambda _: "forged",
    "no secret": lambda key: key.rpartition("_")[0],
    "an empty secret": lambda key: f"uriba_staff_{key_id(key)}_",
    "another secret": lambda key: f"uriba_staff_{key_id(key)}_{'A' * 32}",
    "another id": lambda key: key.replace(key_id(key), "0" * 16),
    "another role": lambda key: key.replace("_staff_", "_app_"),
    "more than the key": lambda key: f"{key}A",
    "other letters": str.upper,
    "a too long key": lambda key: key + "A" * 100_000,
    "half a key": lambda key: key[: len(key) // 2],
}


@pytest.mark.parametrize("name", FORGED)
async def test_refuses_an_invalid_key_over_http(scenario: Scenario, name: str) -> None:
    forged = FORGED[name](scenario.shop.keys["staff"])[:50_000]

    response = await scenario["guest"].http.post(
        scenario["guest"].url, json={"query": PUBLIC}, headers={"authorization": f"Bearer {forged}"}
    )

    assert response.json() == {"data": None, "errors": [unauthenticated(response.json())]}


@pytest.mark.parametrize("written", ["", "Basic eDp4", "Bearer", "Token {key}", "{key}"])
async def test_refuses_a_header_that_is_not_a_bearer_key(scenario: Scenario, written: str) -> None:
    authorization = written.format(key=scenario.shop.keys["staff"])

    response = await scenario["guest"].http.post(
        scenario["guest"].url, json={"query": PUBLIC}, headers={"authorization": authorization}
    )

    assert response.json() == {"data": None, "errors": [unauthenticated(response.json())]}


def unauthenticated(answer: dict[str, Any]) -> dict[str, Any]:
    (error,) = answer["errors"]
    assert error["message"].endswith(".")
    return {"message": error["message"], "extensions": {"code": "UNAUTHENTICATED"}}


@pytest.mark.parametrize("written", ["bearer {key}", "BEARER   {key}"])
async def test_accepts_all_spellings_of_the_bearer_scheme(scenario: Scenario, written: str) -> None:
    authorization = written.format(key=scenario.shop.keys["staff"])

    response = await scenario["guest"].http.post(
        scenario["guest"].url,
        json={"query": "{ orders { edges { cursor } } }"},
        headers={"authorization": authorization},
    )

    assert "errors" not in response.json()


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("where", ["authorization", "Authorization", "header"])
async def test_an_invalid_key_closes_the_websocket(scenario: Scenario, name: str, where: str) -> None:
    forged = f"Bearer {FORGED[name](scenario.shop.keys['staff'])[:5_000]}"
    headers, payload = ({where: forged}, {}) if where == "header" else ({}, {where: forged})

    code = await closed(scenario["guest"].url, payload, {"authorization": forged} if headers else {})

    assert code == 4403


@pytest.mark.parametrize("value", [5, True, ["Bearer x"], {}, "Bearer uriba_staff_\x00_x", "Bearer 💥"])
async def test_a_malformed_key_closes_the_websocket(scenario: Scenario, value: object) -> None:
    assert await closed(scenario["guest"].url, {"authorization": value}) == 4403


def open_socket(url: str, headers: dict[str, str]) -> AbstractAsyncContextManager[ClientConnection]:
    return connect(
        url.replace("http://", "ws://"),
        subprotocols=[Subprotocol("graphql-transport-ws")],
        additional_headers=headers,
    )


async def closed(url: str, payload: dict[str, Any], headers: dict[str, str] | None = None) -> int:
    """Return the close code of a WebSocket after this connection_init."""
    async with asyncio.timeout(10), open_socket(url, headers or {}) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        with pytest.raises(ConnectionClosed) as end:
            await socket.recv()
    assert end.value.rcvd is not None
    return end.value.rcvd.code


@pytest.mark.parametrize("name", ["authorization", "Authorization"])
async def test_a_websockets_key_comes_with_connection_init_in_any_spelling(scenario: Scenario, name: str) -> None:
    payload = {name: f"Bearer {scenario.shop.keys['staff']}"}

    async with asyncio.timeout(10), open_socket(scenario["guest"].url, {}) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        await ask(socket, "{ orders { edges { cursor } } }")
        ack, answer = [json.loads(await socket.recv()) for _ in range(2)]

    assert ack == {"type": "connection_ack"}
    assert "errors" not in answer["payload"]


async def test_a_websockets_channel_comes_with_connection_init(scenario: Scenario) -> None:
    payload = {"uriba-channel": scenario.shop.code("web")}
    query = "query ($s: String) { variant(sku: $s) { price { amount } } }"

    async with asyncio.timeout(10), open_socket(scenario["guest"].url, {}) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        await ask(socket, query, s=scenario.shop.sku("TEA"))
        _, answer = [json.loads(await socket.recv()) for _ in range(2)]

    assert answer["payload"]["data"] == {"variant": {"price": {"amount": "648"}}}


async def ask(socket: ClientConnection, query: str, **variables: Any) -> None:
    payload = {"query": query, "variables": variables}
    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))


async def test_refuses_an_expired_token(shop: Shop, hub: RunningHub) -> None:
    hana = await shop.customer()
    assert hana.key is not None
    async with hub.database.transaction() as session:
        await session.run(
            "UPDATE access_key SET expires_at = now() - interval '1 second' WHERE id = $1", key_id(hana.key)
        )

    answer = await hana.post(PUBLIC)

    assert answer == {"data": None, "errors": [unauthenticated(answer)]}
    assert await closed(hana.url, {"authorization": f"Bearer {hana.key}"}) == 4403


async def revoke(hub: RunningHub, client: Client) -> None:
    """Revoke a key as `uriba key revoke` does."""
    assert client.key is not None
    async with hub.database.transaction() as session:
        await keys.revoke(session, key_id=key_id(client.key))
    await hub.work.hints.publish_now(KEYS)


async def until_refused(client: Client) -> dict[str, Any]:
    async with asyncio.timeout(REVOCATION_S):
        while "errors" not in (answer := await client.post(PUBLIC)):
            pass
    return answer


async def test_refuses_a_revoked_key_within_moments(shop: Shop, hub: RunningHub) -> None:
    till = await shop.terminal()
    await till.execute(PUBLIC)

    await revoke(hub, till)

    answer = await until_refused(till)
    assert answer == {"data": None, "errors": [unauthenticated(answer)]}
    assert await closed(till.url, {"authorization": f"Bearer {till.key}"}) == 4403


async def test_an_open_websocket_is_closed_when_its_key_is_revoked(shop: Shop, hub: RunningHub) -> None:
    till = await shop.terminal()

    async with asyncio.timeout(10), open_socket(till.url, {}) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": till.headers}))
        assert json.loads(await socket.recv()) == {"type": "connection_ack"}
        await revoke(hub, till)
        await until_refused(till)
        await ask(socket, PUBLIC)
        with pytest.raises(ConnectionClosed) as end:
            await socket.recv()

    assert end.value.rcvd is not None
    assert end.value.rcvd.code == 4403


async def test_a_subscription_ends_when_its_key_is_revoked(shop: Shop, hub: RunningHub) -> None:
    till = await shop.terminal()
    cart = await shop.create_cart(shop.guest(), TEA=1)

    async with till.subscribe("subscription ($c: ID!) { cartChanged(cartId: $c) { quantity } }", c=cart["id"]) as on:
        assert (await on.next())["quantity"] == 1
        await revoke(hub, till)
        await until_refused(till)
        await shop.add_lines(shop.guest(), cart, TEA=1)
        ended = await on.next_message()

    # It is the last message: the protocol has no complete after an error.
    assert ended["type"] == "error"
    assert [error["extensions"]["code"] for error in ended["payload"]] == ["UNAUTHENTICATED"]


async def test_a_key_that_is_revoked_while_it_is_read_is_not_cached(
    shop: Shop, hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = await shop.terminal()
    authenticator = Authenticator(hub.database)
    authenticate = keys.authenticate

    async def slow(*args: Any) -> Any:
        found = await authenticate(*args)
        async with hub.database.transaction() as session:
            await keys.revoke(session, key_id=key_id(args[1]))
        authenticator.clear_cache()
        return found

    monkeypatch.setattr(keys, "authenticate", slow)
    await authenticator.authenticate(f"Bearer {till.key}", address="")
    monkeypatch.undo()

    with pytest.raises(Unauthenticated, match="revoked"):
        await authenticator.authenticate(f"Bearer {till.key}", address="")


async def test_no_secret_is_stored_in_the_database(shop: Shop, hub: RunningHub) -> None:
    till, app, hana = await shop.terminal(), await shop.app("app"), await shop.customer()
    cart = await shop.create_cart(hana, TEA=1)
    handoff = f"mutation ($c: ID!) {{ cartHandoff(cartId: $c) {{ code {ERRORS} }} }}"
    code = (await hana.mutate(handoff, c=cart["id"]))["code"]
    secrets = [client.key.split("_", 3)[3] for client in (till, app, hana, shop.staff) if client.key]

    found = {secret: await tables_with(hub, secret) for secret in (*secrets, code)}

    assert len(found) == 5
    assert not any(found.values()), found
    assert await tables_with(hub, key_id(till.key or "")) == ["access_key"]


async def tables_with(hub: RunningHub, secret: str) -> list[str]:
    """Return the tables that hold a text, as text or as bytes."""
    async with hub.database.reading() as session:
        tables = await session.fetch(
            "SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        return [
            table["name"]
            for table in tables
            if await session.fetchval(
                f"SELECT EXISTS (SELECT FROM {table['name']} t WHERE strpos(t::text, $1) + strpos(t::text, $2) > 0)",
                secret,
                secret.encode().hex(),
            )
        ]
