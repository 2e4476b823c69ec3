"""A receiver of webhooks that sins as it is told to, and keeps everything it got."""

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

SINS = ("answers 500", "hangs", "redirects inward", "drops")


@dataclass(frozen=True, slots=True)
class Got:
    """One request; `taken` says whether it was answered with 204."""

    id: str
    event: dict[str, Any]
    taken: bool

    @property
    def versions(self) -> range:
        """The versions of its subject that it stands for."""
        last = self.event["version"]
        told = self.event.get("coalesced", {"firstVersion": last, "lastVersion": last})
        assert told["lastVersion"] == last, self.event
        return range(told["firstVersion"], last + 1)


class Receiver:
    """`hit`: how many requests met each sin; `unsigned`: how many had no good signature; `inward`: followed redirects."""

    def __init__(self) -> None:
        self.url = ""
        self.secret = ""
        self.sin: str | None = None
        self.got: list[Got] = []
        self.hit: Counter[str] = Counter()
        self.unsigned = 0
        self.inward = 0
        self._leaving = asyncio.Event()

    async def hear(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            Webhook(self.secret).verify(body, {k.lower(): v for k, v in request.headers.items()})
        except Exception:
            self.unsigned += 1
            return web.Response(status=401)
        event, sin = msgspec.json.decode(body), self.sin
        self.got.append(Got(request.headers["webhook-id"], event, sin is None))
        if sin is None:
            return web.Response(status=204)
        self.hit[sin] += 1
        return await self._commit(sin, request)

    async def _commit(self, sin: str, request: web.Request) -> web.StreamResponse:
        if sin == "hangs":
            await self._leaving.wait()
        if sin == "redirects inward":
            return web.Response(status=307, headers={"location": self.url.replace("/hooks", "/inward")})
        if sin == "drops" and request.transport is not None:
            request.transport.close()
        return web.Response(status=500)

    async def hear_inward(self, _: web.Request) -> web.StreamResponse:
        self.inward += 1
        return web.Response(status=204)

    def leave(self) -> None:
        self._leaving.set()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hooks", receiver.hear)
    app.router.add_route("*", "/inward", receiver.hear_inward)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    try:
        yield receiver
    finally:
        receiver.leave()
        await runner.cleanup()
