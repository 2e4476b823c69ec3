"""The API process: the application behind uvicorn, on a socket that is already bound."""

from __future__ import annotations

import socket
from functools import partial

import uvicorn

from uriba import app
from uriba.config import Settings
from uriba.graphql.schema import api_schema
from uriba.supervisor import HEARTBEAT_S, Heartbeat

SHUTDOWN_TIMEOUT_S = 15
"""How long requests may go on after the process was asked to end."""


class ApiServer:
    """Serves the API on a listener. It builds the schema once, for all processes that are forked from this one."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._settings = settings
        self._listener = listener
        self._schema = api_schema(settings)

    def __reduce__(self) -> tuple[type[ApiServer], tuple[Settings, socket.socket]]:
        """A process that is not forked builds its own schema."""
        return ApiServer, (self._settings, self._listener)

    def run(self, beat: Heartbeat) -> None:
        """Serve until this process is asked to end, and call `beat` every second."""

        async def notify() -> None:
            beat()

        settings = self._settings
        config = uvicorn.Config(
            partial(app.create, settings, self._schema),
            factory=True,
            http="httptools",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies or None,
            timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
            timeout_notify=HEARTBEAT_S,  # type: ignore[arg-type]
            callback_notify=notify,
        )
        uvicorn.Server(config).run(sockets=[self._listener])
