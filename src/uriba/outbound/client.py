"""The HTTP client for requests to URLs that users configured.

It protects the hub's own network (server-side request forgery): for each connection the name is resolved once, all its
addresses are checked against the policy, and a checked address is connected to. So a name that resolves to a private
address later is refused. Redirects are not followed. Time and response bytes are limited.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from uriba.config import AllowedAddresses, Settings
from uriba.outbound.addresses import CONNECT_TIMEOUT_S, ForbiddenAddress, is_allowed

RESPONSE_BYTES_MAX = 64_000
CHUNK_BYTES = 16_384
USER_AGENT = "uriba-webhooks/1"


@dataclass(frozen=True, slots=True)
class Response:
    """A response; `body` is its beginning, up to the limit of the request."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoResponse(Exception):
    """The request failed. `reason`: TIMEOUT, NOT_FOUND, FORBIDDEN_ADDRESS, TLS, REFUSED or DROPPED."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CheckedResolver(AbstractResolver):
    """Resolves names whose addresses are all allowed. Errors: `ForbiddenAddress`."""

    def __init__(self, policy: AllowedAddresses) -> None:
        self._policy = policy
        self._system = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._system.resolve(host, port, family)
        if not all(is_allowed(result["host"], self._policy) for result in found):
            raise ForbiddenAddress(host)
        return found

    async def close(self) -> None:
        await self._system.close()


class OutboundClient:
    """Sends requests to users' URLs. An async context manager that owns the connections."""

    def __init__(self, settings: Settings, *, timeout_s: float | None = None) -> None:
        self._policy = settings.allowed_addresses
        self._timeout = aiohttp.ClientTimeout(
            total=timeout_s or settings.webhook_timeout_s, connect=None, sock_connect=CONNECT_TIMEOUT_S
        )
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # No limit on connections here: each caller limits its own requests, and no caller waits for another.
        connector = aiohttp.TCPConnector(
            resolver=CheckedResolver(self._policy), limit=0, use_dns_cache=False, keepalive_timeout=20
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
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
        response_bytes_max: int = RESPONSE_BYTES_MAX,
    ) -> Response:
        """Send one request and return its response, whatever the status. Errors: `NoResponse`."""
        assert self._session is not None
        try:
            self._check_literal(url)
            async with self._session.request(
                method, url, data=body or None, headers=headers, allow_redirects=False
            ) as response:
                beginning = await _read_beginning(response, response_bytes_max)
                return Response(response.status, response.headers, beginning)
        except TimeoutError as error:
            raise NoResponse("TIMEOUT") from error
        except aiohttp.ClientConnectorError as error:
            raise NoResponse(_failure_reason(error)) from error
        except (aiohttp.ClientError, ValueError, OSError) as error:
            reason = "FORBIDDEN_ADDRESS" if isinstance(error, ForbiddenAddress) else "DROPPED"
            raise NoResponse(reason) from error

    def _check_literal(self, url: str) -> None:
        """Check an IP address in the URL, which is not resolved. Errors: `ForbiddenAddress`."""
        host = urlsplit(url).hostname or ""
        try:
            ip_address(host.partition("%")[0])
        except ValueError:
            return
        if not is_allowed(host, self._policy):
            raise ForbiddenAddress(host)


async def _read_beginning(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    """Read the first bytes of a response. The connection of a longer response is closed instead of read to the end."""
    found = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        found += chunk
        if len(found) > max(bytes_max, CHUNK_BYTES):
            response.close()
            break
    return bytes(found[:bytes_max])


def _failure_reason(error: aiohttp.ClientConnectorError) -> str:
    cause = error.os_error
    if isinstance(cause, ForbiddenAddress):
        return "FORBIDDEN_ADDRESS"
    if isinstance(error, aiohttp.ClientConnectorDNSError) or isinstance(cause, socket.gaierror):
        return "NOT_FOUND"
    if isinstance(error, aiohttp.ClientSSLError) or isinstance(cause, ssl.SSLError):
        return "TLS"
    return "REFUSED"
