"""A webhook receiver for tests: it keeps every request and answers as the test asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web
from standardwebhooks import Webhook

Respond = Callable[["ReceivedWebhook"], Awaitable[web.StreamResponse | int]]


@dataclass(frozen=True)
class ReceivedWebhook:
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


class WebhookReceiver:
    """`received`: every request in order; `accepted`: those that were answered with 2xx. `respond`: what to answer."""

    def __init__(self) -> None:
        self.url = ""
        self.received: list[ReceivedWebhook] = []
        self.accepted: list[ReceivedWebhook] = []
        self.respond: Respond | None = None
        self._changed = asyncio.Condition()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        webhook = ReceivedWebhook(headers["webhook-id"], msgspec.json.decode(body), headers, body)
        self.received.append(webhook)
        answer = await self.respond(webhook) if self.respond else 204
        response = web.Response(status=answer) if isinstance(answer, int) else answer
        if 200 <= response.status < 300:
            self.accepted.append(webhook)
        async with self._changed:
            self._changed.notify_all()
        return response

    async def wait_until(self, condition: Callable[[], object], *, within_s: float = 30) -> None:
        """Wait until a condition holds, which is looked at after each request."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(condition), within_s)

    def accepted_versions(self, subject: str) -> list[int]:
        """Return the versions of a subject that were accepted, in order, repetitions included."""
        return [webhook.event["version"] for webhook in self.accepted if webhook.event["subject"] == subject]


@asynccontextmanager
async def webhook_receiver() -> AsyncIterator[WebhookReceiver]:
    """Serve a receiver on a loopback port."""
    receiver = WebhookReceiver()
    app = web.Application()
    app.router.add_post("/hooks", receiver.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    try:
        yield receiver
    finally:
        await runner.cleanup()
