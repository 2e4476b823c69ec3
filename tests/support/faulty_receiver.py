"""A webhook receiver that fails as the test asks, and keeps every request."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web
from standardwebhooks import Webhook

FAILURES = ("answers 500", "hangs", "redirects inward", "drops")


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request; `accepted`: it was answered with 204."""

    id: str
    event: dict[str, Any]
    accepted: bool

    @property
    def versions(self) -> range:
        """Return the versions of its subject that it stands for."""
        last = self.event["version"]
        coalesced = self.event.get("coalesced", {"firstVersion": last, "lastVersion": last})
        assert coalesced["lastVersion"] == last, self.event
        return range(coalesced["firstVersion"], last + 1)


class FaultyReceiver:
    """`failed`: requests that met each failure; `unsigned`: requests without a valid signature; `redirected`: followed
    redirects.
    """

    def __init__(self) -> None:
        self.url = ""
        self.secret = ""
        self.failure: str | None = None
        self.requests: list[ReceivedRequest] = []
        self.failed: Counter[str] = Counter()
        self.unsigned = 0
        self.redirected = 0
        self._released = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            Webhook(self.secret).verify(body, {k.lower(): v for k, v in request.headers.items()})
        except Exception:
            self.unsigned += 1
            return web.Response(status=401)
        event, failure = msgspec.json.decode(body), self.failure
        self.requests.append(ReceivedRequest(request.headers["webhook-id"], event, failure is None))
        if failure is None:
            return web.Response(status=204)
        self.failed[failure] += 1
        return await self._fail(failure, request)

    async def _fail(self, failure: str, request: web.Request) -> web.StreamResponse:
        if failure == "hangs":
            await self._released.wait()
        if failure == "redirects inward":
            return web.Response(status=307, headers={"location": self.url.replace("/hooks", "/redirected")})
        if failure == "drops" and request.transport is not None:
            request.transport.close()
        return web.Response(status=500)

    async def handle_redirected(self, _: web.Request) -> web.StreamResponse:
        self.redirected += 1
        return web.Response(status=204)

    def release(self) -> None:
        self._released.set()


@asynccontextmanager
async def faulty_receiver() -> AsyncIterator[FaultyReceiver]:
    """Serve a receiver on a loopback port."""
    receiver = FaultyReceiver()
    app = web.Application()
    app.router.add_post("/hooks", receiver.handle)
    app.router.add_route("*", "/redirected", receiver.handle_redirected)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    try:
        yield receiver
    finally:
        receiver.release()
        await runner.cleanup()
