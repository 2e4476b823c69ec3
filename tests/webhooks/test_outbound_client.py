"""Outbound requests: addresses that are refused, and how strange responses are treated."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp.abc import ResolveResult

from tests.support.shop import ERRORS, Shop
from tests.support.webhook_receiver import webhook_receiver
from uriba.config import AllowedAddresses, Settings
from uriba.core.errors import Invalid
from uriba.outbound.addresses import CONNECT_TIMEOUT_S, check_url, is_allowed
from uriba.outbound.client import NoResponse, OutboundClient

PUBLIC = Settings(webhook_addresses=AllowedAddresses.PUBLIC)
LOOPBACK = Settings(webhook_addresses=AllowedAddresses.LOOPBACK)
SHORT_TIMEOUT_S = 0.5
BYTE_PAUSE_S = 0.05
"""The pause of a slow server between two bytes of its response."""

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
def test_which_addresses_each_policy_allows(address: str, public: bool, loopback: bool, private: bool) -> None:
    assert [is_allowed(address, policy) for policy in AllowedAddresses] == [public, loopback, private]


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
async def test_refuses_urls(url: str) -> None:
    with pytest.raises(Invalid):
        await check_url(url, PUBLIC, "url")


async def test_accepts_urls() -> None:
    for url in ("https://93.184.216.34/hooks?a=b", "https://93.184.216.34:8443/"):
        assert await check_url(url, PUBLIC, "url") == url
    assert await check_url("http://127.0.0.1:9/x", LOOPBACK, "url")
    with pytest.raises(Invalid):
        await check_url("http://10.0.0.1/x", LOOPBACK, "url")


async def test_creates_no_endpoint_on_a_private_address(shop: Shop) -> None:
    payload = await shop.staff.mutate(
        f"mutation ($i: EndpointInput!) {{ endpointCreate(input: $i) {{ endpoint {{ id }} secret {ERRORS} }} }}",
        i={"url": "http://169.254.169.254/latest"},
    )

    assert payload["endpoint"] is None and payload["secret"] is None
    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("INVALID", ["input", "url"])]


async def test_refuses_a_name_that_resolves_to_a_private_address_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async with webhook_receiver() as receiver:
        port = int(receiver.url.split(":")[2].partition("/")[0])

        async def resolve_to_loopback(_: object, host: str, at: int = 0, family: int = 0) -> list[ResolveResult]:
            return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

        monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", resolve_to_loopback)
        for settings, reason in ((PUBLIC, "FORBIDDEN_ADDRESS"), (LOOPBACK, None)):
            async with OutboundClient(settings) as client:
                send = client.send("POST", f"http://name.example:{port}/hooks", body=b"{}", headers=WEBHOOK_HEADERS)
                if reason is None:
                    assert (await send).status == 204
                else:
                    with pytest.raises(NoResponse) as refused:
                        await send
                    assert refused.value.reason == reason
        assert len(receiver.received) == 1


WEBHOOK_HEADERS = {"webhook-id": "1"}


async def test_checks_a_literal_address_again_when_sending() -> None:
    async with webhook_receiver() as receiver, OutboundClient(PUBLIC) as client:
        with pytest.raises(NoResponse) as refused:
            await client.send("POST", receiver.url, body=b"{}", headers=WEBHOOK_HEADERS)
        assert refused.value.reason == "FORBIDDEN_ADDRESS"
        assert receiver.received == []


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


async def sends_slowly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(BYTE_PAUSE_S)


async def hangs(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def drops(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def sends_another_protocol(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-x\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize(
    ("serve", "reason"),
    [(sends_slowly, "TIMEOUT"), (hangs, "TIMEOUT"), (drops, "DROPPED"), (sends_another_protocol, "DROPPED")],
)
async def test_reports_why_no_response_came(serve: Serve, reason: str) -> None:
    timeout_s = SHORT_TIMEOUT_S if reason == "TIMEOUT" else None
    async with serving(serve) as url, OutboundClient(LOOPBACK, timeout_s=timeout_s) as client:
        with pytest.raises(NoResponse) as refused:
            await client.send("POST", url, body=b"{}", response_bytes_max=0)

    assert refused.value.reason == reason


async def test_reports_refused_connections_and_unknown_names(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown_name(*_: object) -> list[ResolveResult]:
        raise socket.gaierror

    monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", unknown_name)
    async with OutboundClient(LOOPBACK) as client:
        with pytest.raises(NoResponse) as refused:
            await client.send("POST", "http://127.0.0.1:9/", body=b"{}")
        assert refused.value.reason == "REFUSED"
        with pytest.raises(NoResponse) as unknown:
            await client.send("POST", "http://no-such-host.invalid/", body=b"{}")
        assert unknown.value.reason == "NOT_FOUND"


async def test_reads_only_the_beginning_of_a_huge_response() -> None:
    sent = 0

    async def floods(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent += 65_536

    async with serving(floods) as url, OutboundClient(LOOPBACK) as client:
        answer = await client.send("POST", url, body=b"{}", response_bytes_max=100)

    assert (answer.status, answer.body) == (200, b"x" * 100)
    assert sent < 50_000_000


def test_a_name_lookup_is_limited_to_a_few_seconds() -> None:
    assert CONNECT_TIMEOUT_S <= 5
