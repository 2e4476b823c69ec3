"""Which URLs and addresses the hub sends requests to."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from uriba.config import AllowedAddresses, Settings
from uriba.core.errors import Invalid

CONNECT_TIMEOUT_S = 3.0
URL_SIZE_MAX = 2_000
SECURE_PORTS = {443, 8443}
NAT64 = IPv6Network("64:ff9b::/96")
"""IPv4 addresses behind NAT64: RFC 6052."""


class ForbiddenAddress(OSError):
    """The policy allows no requests to this address."""


def is_allowed(address: str, policy: AllowedAddresses) -> bool:
    """Return whether the policy allows requests to an IP address. An embedded IPv4 address decides for an IPv6 one."""
    found = _embedded_ipv4(ip_address(address.partition("%")[0]))
    if found.is_loopback:
        return policy is not AllowedAddresses.PUBLIC
    if found.is_multicast or found.is_unspecified or found.is_reserved:
        return False
    return found.is_global or (policy is AllowedAddresses.PRIVATE and found.is_private)


def _embedded_ipv4(found: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address inside a mapped, 6to4 or NAT64 address; any other address unchanged."""
    if isinstance(found, IPv6Address):
        if embedded := found.ipv4_mapped or found.sixtofour:
            return embedded
        if found in NAT64:
            return IPv4Address(int(found) & 0xFFFF_FFFF)
    return found


async def check_url(url: str, settings: Settings, *path: str) -> str:
    """Check that requests to a URL are allowed, and return it. The address is checked again with every request.

    A name that cannot be resolved now is accepted. Errors: `Invalid`, with `path` of the input's field.
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
        found = await asyncio.wait_for(_addresses(parts.hostname), CONNECT_TIMEOUT_S)
    except (OSError, TimeoutError, UnicodeError):
        return url
    if not all(is_allowed(address, policy) for address in found):
        raise Invalid("The URL's host has an address that this hub sends no requests to. Use another host.", *path)
    return url


def _split(url: str, *path: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        has_host = parts.hostname and (parts.port is None or 0 < parts.port < 65_536)
    except ValueError:
        has_host, parts = False, SplitResult("", "", "", "", "")
    if not has_host or len(url) > URL_SIZE_MAX or not url.isascii() or not url.isprintable() or " " in url:
        raise Invalid(
            f"This is not a valid URL. Give an absolute URL of up to {URL_SIZE_MAX:,} ASCII characters.", *path
        )
    if parts.username is not None or parts.password is not None:
        raise Invalid("Remove the user name and the password from the URL.", *path)
    if parts.fragment:
        raise Invalid("Remove the fragment (#) from the URL.", *path)
    return parts


async def _addresses(host: str) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found]
