"""The only way out: HTTP to addresses that others name.

A name is resolved once for each connection, all of its addresses are checked, and the connection goes to one that was
checked: a name that later leads inward leads nowhere. Nothing is followed, and there is a limit on time and bytes.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from uriba.config import AllowedAddresses, Settings
from uriba.core.errors import Invalid

CONNECT_S = 3.0
ANSWER_KEPT_MAX = 64_000
URL_SIZE_MAX = 2_000
SECURE_PORTS = {443, 8443}
USER_AGENT = "uriba-webhooks/1"
TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv4 behind NAT64: RFC 6052."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `body` is its beginning."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Unreachable(Exception):
    """No answer came. `reason`: TIMEOUT, NOT_FOUND, FORBIDDEN_ADDRESS, TLS, REFUSED or DROPPED."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Forbidden(OSError):
    """The name leads to an address that nothing may be sent to."""


def allowed(address: str, policy: AllowedAddresses) -> bool:
    """Whether something may be sent there. What hides an IPv4 address is judged by that one."""
    found = _bare(ip_address(address.partition("%")[0]))
    if found.is_loopback:
        return policy is not AllowedAddresses.PUBLIC
    if found.is_multicast or found.is_unspecified or found.is_reserved:
        return False
    return found.is_global or (policy is AllowedAddresses.PRIVATE and found.is_private)


def _bare(found: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(found, IPv6Address):
        if hidden := found.ipv4_mapped or found.sixtofour:
            return hidden
        if found in TRANSLATED:
            return IPv4Address(int(found) & 0xFFFF_FFFF)
    return found


class Resolver(AbstractResolver):
    """Names to addresses that may be sent to: all of a name's, or none."""

    def __init__(self, policy: AllowedAddresses) -> None:
        self._policy = policy
        self._system = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._system.resolve(host, port, family)
        if not all(allowed(one["host"], self._policy) for one in found):
            raise Forbidden(host)
        return found

    async def close(self) -> None:
        await self._system.close()


async def check_url(url: str, settings: Settings, *path: str) -> str:
    """A URL that may be sent to, as far as can be known now; it is checked again whenever something is sent.

    A name that nobody knows yet is let through. Errors: `Invalid`.
    """
    parts = _split(url, *path)
    policy = settings.allowed_addresses
    secure = parts.scheme == "https"
    if not secure and (policy is AllowedAddresses.PUBLIC or parts.scheme != "http"):
        raise Invalid("The URL has to begin with https://.", *path)
    if policy is AllowedAddresses.PUBLIC and (parts.port or 443) not in SECURE_PORTS:
        raise Invalid("The URL's port has to be 443 or 8443.", *path)
    assert parts.hostname
    try:
        found = await asyncio.wait_for(_addresses(parts.hostname), CONNECT_S)
    except (OSError, TimeoutError, UnicodeError):
        return url
    if not all(allowed(one, policy) for one in found):
        raise Invalid("The URL leads to an address that nothing may be sent to.", *path)
    return url


def _split(url: str, *path: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        named = parts.hostname and (parts.port is None or 0 < parts.port < 65_536)
    except ValueError:
        named, parts = False, SplitResult("", "", "", "", "")
    if not named or len(url) > URL_SIZE_MAX or not url.isascii() or not url.isprintable() or " " in url:
        raise Invalid("This is no URL that something can be sent to.", *path)
    if parts.username is not None or parts.password is not None:
        raise Invalid("The URL may not hold a user or a password: deliveries are signed.", *path)
    if parts.fragment:
        raise Invalid("The URL may not hold a fragment.", *path)
    return parts


async def _addresses(host: str) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


class Client:
    """Sends to others' URLs, for as long as it is open."""

    def __init__(self, settings: Settings, *, timeout_s: float | None = None) -> None:
        self._policy = settings.allowed_addresses
        self._timeout = aiohttp.ClientTimeout(
            total=timeout_s or settings.webhook_timeout_s, connect=None, sock_connect=CONNECT_S
        )
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # Without a limit of its own: whoever sends limits how much of its own is under way, and delays nobody else.
        line = aiohttp.TCPConnector(resolver=Resolver(self._policy), limit=0, use_dns_cache=False, keepalive_timeout=20)
        self._session = aiohttp.ClientSession(
            connector=line,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"user-agent": USER_AGENT},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def send(
        self,
        method: str,
        url: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        keep: int = ANSWER_KEPT_MAX,
    ) -> Answer:
        """One request, one answer, whatever its status; of its body at most `keep` bytes.

        Errors: `Unreachable`.
        """
        assert self._session is not None
        try:
            self._check_literal(url)
            async with self._session.request(
                method, url, data=body or None, headers=headers, allow_redirects=False
            ) as response:
                kept = await _beginning(response, keep)
                return Answer(response.status, response.headers, kept)
        except TimeoutError as error:
            raise Unreachable("TIMEOUT") from error
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(_why(error)) from error
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise Unreachable("FORBIDDEN_ADDRESS" if isinstance(error, Forbidden) else "DROPPED") from error

    def _check_literal(self, url: str) -> None:
        """An address that stands in the URL is not resolved, so it is checked here."""
        host = urlsplit(url).hostname or ""
        try:
            ip_address(host.partition("%")[0])
        except ValueError:
            return
        if not allowed(host, self._policy):
            raise Forbidden(host)


async def _beginning(response: aiohttp.ClientResponse, keep: int) -> bytes:
    """The first bytes of an answer. A longer one is not read to its end: its connection is closed."""
    found = bytearray()
    async for some in response.content.iter_chunked(16_384):
        found += some
        if len(found) > max(keep, 16_384):
            response.close()
            break
    return bytes(found[:keep])


def _why(error: aiohttp.ClientConnectorError) -> str:
    cause = error.os_error
    if isinstance(cause, Forbidden):
        return "FORBIDDEN_ADDRESS"
    if isinstance(error, aiohttp.ClientConnectorDNSError) or isinstance(cause, socket.gaierror):
        return "NOT_FOUND"
    if isinstance(error, aiohttp.ClientSSLError) or isinstance(cause, ssl.SSLError):
        return "TLS"
    return "REFUSED"
