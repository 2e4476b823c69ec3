"""A receiver of webhooks for tests: it verifies, keeps what it got, and answers as it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web
from standardwebhooks import Webhook

Manner = Callable[["Heard"], Awaitable[web.StreamResponse | int]]


@dataclass(frozen=True)
class Heard:
    """One request."""

    id: str
    event: dict[str, Any]
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> tuple[str, int]:
        return self.event["subject"], self.event["version"]

    def signed_by(self, secret: str) -> bool:
        try:
            Webhook(secret).verify(self.body, self.headers)
        except Exception:
            return False
        return True


class Ears:
    """What was heard, in order; `taken`: of that, what was answered with 2xx."""

    def __init__(self) -> None:
        self.url = ""
        self.heard: list[Heard] = []
        self.taken: list[Heard] = []
        self.manner: Manner | None = None
        self._news = asyncio.Condition()

    async def hear(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        heard = Heard(headers["webhook-id"], msgspec.json.decode(body), headers, body)
        self.heard.append(heard)
        answer = await self.manner(heard) if self.manner else 204
        response = web.Response(status=answer) if isinstance(answer, int) else answer
        if 200 <= response.status < 300:
            self.taken.append(heard)
        async with self._news:
            self._news.notify_all()
        return response

    async def until(self, wanted: Callable[[], object], *, within_s: float = 30) -> None:
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(wanted), within_s)

    def of(self, subject: str) -> list[int]:
        """The versions of a subject that were taken, in order, again and again."""
        return [one.event["version"] for one in self.taken if one.event["subject"] == subject]


@asynccontextmanager
async def listening() -> AsyncIterator[Ears]:
    ears = Ears()
    app = web.Application()
    app.router.add_post("/hooks", ears.hear)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    ears.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    try:
        yield ears
    finally:
        await runner.cleanup()
