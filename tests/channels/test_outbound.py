"""The way out: where nothing is sent to, and what is made of strange answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp.abc import ResolveResult
from ears import listening

from shop import ERRORS, Shop
from uriba.config import AllowedAddresses, Settings
from uriba.core.errors import Invalid
from uriba.outbound import client
from uriba.outbound.client import Client, Unreachable, allowed, check_url

PUBLIC = Settings(webhook_addresses=AllowedAddresses.PUBLIC, webhook_timeout_s=1)
LOOPBACK = Settings(webhook_addresses=AllowedAddresses.LOOPBACK, webhook_timeout_s=1)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.mark.parametrize(
    ("address", "public", "loopback", "private"),
    [
        ("93.184.216.34", True, True, True),
        ("2606:2800:220:1::1", True, True, True),
        ("127.0.0.1", False, True, True),
        ("127.8.8.8", False, True, True),
        ("::1", False, True, True),
        ("10.0.0.1", False, False, True),
        ("192.168.1.1", False, False, True),
        ("169.254.169.254", False, False, True),
        ("fd00::1", False, False, True),
        ("fe80::1%eth0", False, False, True),
        ("100.64.0.1", False, False, False),
        ("::ffff:10.0.0.1", False, False, True),
        ("::ffff:127.0.0.1", False, True, True),
        ("64:ff9b::a00:1", False, False, True),
        ("2002:a00:1::", False, False, True),
        ("0.0.0.0", False, False, False),
        ("::", False, False, False),
        ("224.0.0.1", False, False, False),
        ("255.255.255.255", False, False, False),
    ],
)
def test_where_something_may_be_sent(address: str, public: bool, loopback: bool, private: bool) -> None:
    assert [allowed(address, policy) for policy in AllowedAddresses] == [public, loopback, private]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "//host/x",
        "https://",
        "http://example.com/x",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_",
        "https://user:pass@example.com/",
        "https://user@example.com/",
        "https://example.com/#x",
        "https://example.com:5432/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://例え.jp/",
        "https://example.com/" + "x" * 2_000,
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://0/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/",
        "https://10.1.2.3/",
    ],
)
async def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(Invalid):
        await check_url(url, PUBLIC, "url")


async def test_urls_that_are_taken() -> None:
    for url in ("https://93.184.216.34/hooks?a=b", "https://93.184.216.34:8443/"):
        assert await check_url(url, PUBLIC, "url") == url
    assert await check_url("http://127.0.0.1:9/x", LOOPBACK, "url")
    with pytest.raises(Invalid):
        await check_url("http://10.0.0.1/x", LOOPBACK, "url")


async def test_an_endpoint_on_a_private_address_is_not_made(shop: Shop) -> None:
    payload = await shop.staff.do(
        f"mutation ($i: EndpointInput!) {{ endpointCreate(input: $i) {{ endpoint {{ id }} secret {ERRORS} }} }}",
        i={"url": "http://169.254.169.254/latest"},
    )

    assert payload["endpoint"] is None and payload["secret"] is None
    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("INVALID", ["input", "url"])]


async def test_a_name_that_leads_inward_later_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as ears:
        port = int(ears.url.split(":")[2].partition("/")[0])

        async def inward(_: object, host: str, at: int = 0, family: int = 0) -> list[ResolveResult]:
            return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

        monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", inward)
        for settings, reason in ((PUBLIC, "FORBIDDEN_ADDRESS"), (LOOPBACK, None)):
            async with Client(settings) as client:
                send = client.send("POST", f"http://name.example:{port}/hooks", body=b"{}", headers=HOOK)
                if reason is None:
                    assert (await send).status == 204
                else:
                    with pytest.raises(Unreachable) as refused:
                        await send
                    assert refused.value.reason == reason
        assert len(ears.heard) == 1


HOOK = {"webhook-id": "1"}


async def test_an_address_in_the_url_is_checked_at_sending_too() -> None:
    async with listening() as ears, Client(PUBLIC) as client:
        with pytest.raises(Unreachable) as refused:
            await client.send("POST", ears.url, body=b"{}", headers=HOOK)
        assert refused.value.reason == "FORBIDDEN_ADDRESS"
        assert ears.heard == []


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


async def drips(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def hangs(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def drops(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def babbles(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-x\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize(
    ("serve", "reason"), [(drips, "TIMEOUT"), (hangs, "TIMEOUT"), (drops, "DROPPED"), (babbles, "DROPPED")]
)
async def test_what_is_no_answer(serve: Serve, reason: str) -> None:
    async with serving(serve) as url, Client(LOOPBACK) as client:
        with pytest.raises(Unreachable) as refused:
            await client.send("POST", url, body=b"{}", keep=0)

    assert refused.value.reason == reason


async def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown_to_all(*_: object) -> list[ResolveResult]:
        raise socket.gaierror

    monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", unknown_to_all)
    async with Client(LOOPBACK) as client:
        with pytest.raises(Unreachable) as refused:
            await client.send("POST", "http://127.0.0.1:9/", body=b"{}")
        assert refused.value.reason == "REFUSED"
        with pytest.raises(Unreachable) as unknown:
            await client.send("POST", "http://no-such-host.invalid/", body=b"{}")
        assert unknown.value.reason == "NOT_FOUND"


async def test_of_a_huge_answer_the_beginning_is_read() -> None:
    sent = 0

    async def floods(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent += 65_536

    async with serving(floods) as url, Client(LOOPBACK) as client:
        answer = await client.send("POST", url, body=b"{}", keep=100)

    assert (answer.status, answer.body) == (200, b"x" * 100)
    assert sent < 50_000_000


def test_a_lookup_takes_no_longer_than_a_connection() -> None:
    assert client.CONNECT_S <= 5
