"""Ports for processes that tests start."""

from __future__ import annotations

import random
import socket

FIRST, LAST = 20_000, 32_000
"""Below the ports that systems give to connections and to servers on port 0, which could take a free port first."""


def free_port() -> int:
    """Return a port of the loopback that no process listens on."""
    while True:
        port = random.randint(FIRST, LAST)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
