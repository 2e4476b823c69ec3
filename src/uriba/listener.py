"""The socket that the API listens on. It is bound before anything else is started or created."""

from __future__ import annotations

import socket


class AddressUnavailable(Exception):
    """The API cannot listen on an address and port."""


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to the address, and does not listen yet. Errors: `AddressUnavailable`.

    It names its protocol, because asyncio turns off Nagle's algorithm, which delays responses by 40 ms, only for
    sockets that do.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise AddressUnavailable(
            f"Cannot listen on {host}, port {port}: {error.strerror}. Choose others with --host and --port."
        ) from error
    return listener


def find_port(host: str, port: int) -> int:
    """Return the port if the API can listen on it; for port 0, a free one. Errors: `AddressUnavailable`."""
    with bind(host, port) as listener:
        return int(listener.getsockname()[1])
