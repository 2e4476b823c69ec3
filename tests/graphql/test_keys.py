"""Keys: what is forged, has expired or was revoked is UNAUTHENTICATED on every field, public ones too."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from client import Client
from shop import ERRORS, Shop
from uriba.access import keys
from uriba.access.authentication import CACHE_TTL_S, Authenticator
from uriba.core.errors import Unauthenticated
from uriba.outbox.hints import KEYS

if TYPE_CHECKING:
    from stages import Stage

    from conftest import RunningHub

PUBLIC = "{ channels { code } }"
MOMENTS_S = CACHE_TTL_S / 2
"""Far less than a key would be remembered for, did nobody tell."""


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
    "an endless key": lambda key: key + "A" * 100_000,
    "half a key": lambda key: key[: len(key) // 2],
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_key_opens_nothing_over_http(stage: Stage, name: str) -> None:
    forged = FORGED[name](stage.shop.keys["staff"])[:50_000]

    response = await stage["guest"].http.post(
        stage["guest"].url, json={"query": PUBLIC}, headers={"authorization": f"Bearer {forged}"}
    )

    assert response.json() == {"data": None, "errors": [unauthenticated(response.json())]}


@pytest.mark.parametrize("written", ["", "Basic eDp4", "Bearer", "Token {key}", "{key}"])
async def test_a_key_that_is_no_bearer_key_opens_nothing(stage: Stage, written: str) -> None:
    authorization = written.format(key=stage.shop.keys["staff"])

    response = await stage["guest"].http.post(
        stage["guest"].url, json={"query": PUBLIC}, headers={"authorization": authorization}
    )

    assert response.json() == {"data": None, "errors": [unauthenticated(response.json())]}


def unauthenticated(answer: dict[str, Any]) -> dict[str, Any]:
    (error,) = answer["errors"]
    assert error["message"].endswith(".")
    return {"message": error["message"], "extensions": {"code": "UNAUTHENTICATED"}}


@pytest.mark.parametrize("written", ["bearer {key}", "BEARER   {key}"])
async def test_a_good_key_opens_however_its_scheme_is_written(stage: Stage, written: str) -> None:
    authorization = written.format(key=stage.shop.keys["staff"])

    response = await stage["guest"].http.post(
        stage["guest"].url,
        json={"query": "{ orders { edges { cursor } } }"},
        headers={"authorization": authorization},
    )

    assert "errors" not in response.json()


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("where", ["authorization", "Authorization", "header"])
async def test_a_forged_key_closes_the_socket(stage: Stage, name: str, where: str) -> None:
    forged = f"Bearer {FORGED[name](stage.shop.keys['staff'])[:5_000]}"
    headers, payload = ({where: forged}, {}) if where == "header" else ({}, {where: forged})

    code = await closed(stage["guest"].url, payload, {"authorization": forged} if headers else {})

    assert code == 4403


@pytest.mark.parametrize("value", [5, True, ["Bearer x"], {}, "Bearer uriba_staff_\x00_x", "Bearer 💥"])
async def test_what_cannot_be_a_key_closes_the_socket(stage: Stage, value: object) -> None:
    assert await closed(stage["guest"].url, {"authorization": value}) == 4403


def open_socket(url: str, headers: dict[str, str]) -> AbstractAsyncContextManager[ClientConnection]:
    return connect(
        url.replace("http://", "ws://"),
        subprotocols=[Subprotocol("graphql-transport-ws")],
        additional_headers=headers,
    )


async def closed(url: str, payload: dict[str, Any], headers: dict[str, str] | None = None) -> int:
    """The code that a socket is closed with after this connection_init."""
    async with asyncio.timeout(10), open_socket(url, headers or {}) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        with pytest.raises(ConnectionClosed) as end:
            await socket.recv()
    assert end.value.rcvd is not None
    return end.value.rcvd.code


@pytest.mark.parametrize("name", ["authorization", "Authorization"])
async def test_a_sockets_key_comes_with_connection_init_however_it_is_written(stage: Stage, name: str) -> None:
    payload = {name: f"Bearer {stage.shop.keys['staff']}"}

    async with asyncio.timeout(10), open_socket(stage["guest"].url, {}) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        await ask(socket, "{ orders { edges { cursor } } }")
        ack, answer = [json.loads(await socket.recv()) for _ in range(2)]

    assert ack == {"type": "connection_ack"}
    assert "errors" not in answer["payload"]


async def test_a_sockets_channel_comes_with_connection_init(stage: Stage) -> None:
    payload = {"uriba-channel": stage.shop.code("web")}
    query = "query ($s: String) { variant(sku: $s) { price { amount } } }"

    async with asyncio.timeout(10), open_socket(stage["guest"].url, {}) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        await ask(socket, query, s=stage.shop.sku("TEA"))
        _, answer = [json.loads(await socket.recv()) for _ in range(2)]

    assert answer["payload"]["data"] == {"variant": {"price": {"amount": "648"}}}


async def ask(socket: ClientConnection, query: str, **variables: Any) -> None:
    payload = {"query": query, "variables": variables}
    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))


async def test_an_expired_token_opens_nothing(shop: Shop, hub: RunningHub) -> None:
    hana = await shop.customer()
    assert hana.key is not None
    async with hub.database.transaction() as session:
        await session.run(
            "UPDATE access_key SET expires_at = now() - interval '1 second' WHERE id = $1", key_id(hana.key)
        )

    answer = await hana.raw(PUBLIC)

    assert answer == {"data": None, "errors": [unauthenticated(answer)]}
    assert await closed(hana.url, {"authorization": f"Bearer {hana.key}"}) == 4403


async def revoke(hub: RunningHub, client: Client) -> None:
    """As `uriba key revoke` does."""
    assert client.key is not None
    async with hub.database.transaction() as session:
        await keys.revoke(session, key_id=key_id(client.key))
    await hub.work.hints.publish_now(KEYS)


async def until_refused(client: Client) -> dict[str, Any]:
    async with asyncio.timeout(MOMENTS_S):
        while "errors" not in (answer := await client.raw(PUBLIC)):
            pass
    return answer


async def test_a_revoked_key_opens_nothing_within_moments(shop: Shop, hub: RunningHub) -> None:
    till = await shop.terminal()
    await till.run(PUBLIC)

    await revoke(hub, till)

    answer = await until_refused(till)
    assert answer == {"data": None, "errors": [unauthenticated(answer)]}
    assert await closed(till.url, {"authorization": f"Bearer {till.key}"}) == 4403


async def test_an_open_socket_ends_with_its_key(shop: Shop, hub: RunningHub) -> None:
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


async def test_a_subscription_ends_with_its_key(shop: Shop, hub: RunningHub) -> None:
    till = await shop.terminal()
    cart = await shop.cart(shop.guest(), TEA=1)

    async with till.subscribe("subscription ($c: ID!) { cartChanged(cartId: $c) { quantity } }", c=cart["id"]) as on:
        assert (await on.next())["quantity"] == 1
        await revoke(hub, till)
        await until_refused(till)
        await shop.add(shop.guest(), cart, TEA=1)
        ended = await on.message()

    # It is the last message: the protocol has no complete after an error.
    assert ended["type"] == "error"
    assert [error["extensions"]["code"] for error in ended["payload"]] == ["UNAUTHENTICATED"]


async def test_what_is_read_while_keys_change_is_not_remembered(
    shop: Shop, hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = await shop.terminal()
    authenticator = Authenticator(hub.database)
    authenticate = keys.authenticate

    async def slow(*given: Any) -> Any:
        found = await authenticate(*given)
        async with hub.database.transaction() as session:
            await keys.revoke(session, key_id=key_id(given[1]))
        authenticator.clear_cache()
        return found

    monkeypatch.setattr(keys, "authenticate", slow)
    await authenticator.authenticate(f"Bearer {till.key}", address="")
    monkeypatch.undo()

    with pytest.raises(Unauthenticated, match="revoked"):
        await authenticator.authenticate(f"Bearer {till.key}", address="")


async def test_a_secret_is_nowhere_in_the_database(shop: Shop, hub: RunningHub) -> None:
    till, app, hana = await shop.terminal(), await shop.app("app"), await shop.customer()
    cart = await shop.cart(hana, TEA=1)
    handoff = f"mutation ($c: ID!) {{ cartHandoff(cartId: $c) {{ code {ERRORS} }} }}"
    code = (await hana.do(handoff, c=cart["id"]))["code"]
    secrets = [client.key.split("_", 3)[3] for client in (till, app, hana, shop.staff) if client.key]

    found = {secret: await tables_with(hub, secret) for secret in (*secrets, code)}

    assert len(found) == 5
    assert not any(found.values()), found
    assert await tables_with(hub, key_id(till.key or "")) == ["access_key"]


async def tables_with(hub: RunningHub, secret: str) -> list[str]:
    """The tables that hold a text, as it is or as bytes."""
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
