"""A marketplace with an API, served on a loopback port: it stores values, has orders, and fails as the test asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

PAGE_SIZE = 2


@dataclass(frozen=True)
class Call:
    """One request, and when it came, by the event loop's clock."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    content: Any
    at: float

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]


Respond = Callable[[Call], Awaitable[web.StreamResponse | None]]


@dataclass
class Marketplace:
    """`calls`: every request in order; `values`, `acknowledged`: what it was sent. `refused_skus`: SKUs to refuse, with the
    code. `respond`: a response other than the default one.
    """

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    values: dict[tuple[str, str], str] = field(default_factory=dict)
    orders: list[dict[str, Any]] = field(default_factory=list)
    acknowledged: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused_skus: dict[str, str] = field(default_factory=dict)
    respond: Respond | None = None

    def calls_to(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        call = Call(
            request.method,
            request.path.removeprefix("/api"),
            dict(request.query),
            {name.lower(): value for name, value in request.headers.items()},
            msgspec.json.decode(body) if body else None,
            asyncio.get_running_loop().time(),
        )
        self.calls.append(call)
        if self.respond and (found := await self.respond(call)) is not None:
            return found
        return web.json_response(self.default_response(call))

    def default_response(self, call: Call) -> dict[str, Any]:
        if call.path == "/orders":
            begin = int(call.query.get("after", "0"))
            some = self.orders[begin : begin + PAGE_SIZE]
            return {"orders": some, "next": str(begin + len(some))}
        if call.path == "/orders/acknowledge":
            self.acknowledged |= {one["number"]: one for one in call.content["orders"]}
            return {}
        name = "available" if call.path == "/availability" else "price"
        rows = {row["sku"]: row for row in call.content["rows"]}
        refused = [sku for sku in rows if sku in self.refused_skus]
        self.values |= {(name, sku): str(row[name]) for sku, row in rows.items() if sku not in self.refused_skus}
        return {"refused": [{"sku": sku, "code": self.refused_skus[sku], "message": "Not here."} for sku in refused]}


@asynccontextmanager
async def run_marketplace() -> AsyncIterator[Marketplace]:
    """Serve a marketplace."""
    marketplace = Marketplace()
    app = web.Application()
    app.router.add_route("*", "/api/{rest:.*}", marketplace.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    marketplace.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
    try:
        yield marketplace
    finally:
        await runner.cleanup()
