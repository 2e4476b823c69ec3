"""A marketplace with an API of its own, on loopback: it takes values, has orders, and fails as it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

PAGE = 2


@dataclass(frozen=True)
class Call:
    """One request, and when it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    content: Any
    at: float

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]


Manner = Callable[[Call], Awaitable[web.StreamResponse | None]]


@dataclass
class Bazaar:
    """What was said to it, in order, and what it knows. `manner`: an answer other than the usual one."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    values: dict[tuple[str, str], str] = field(default_factory=dict)
    orders: list[dict[str, Any]] = field(default_factory=list)
    verdicts: dict[str, dict[str, Any]] = field(default_factory=dict)
    refuses: dict[str, str] = field(default_factory=dict)
    manner: Manner | None = None

    def to(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    async def hear(self, request: web.Request) -> web.StreamResponse:
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
        if self.manner and (found := await self.manner(call)) is not None:
            return found
        return web.json_response(self.answer(call))

    def answer(self, call: Call) -> dict[str, Any]:
        if call.path == "/orders":
            begin = int(call.query.get("after", "0"))
            some = self.orders[begin : begin + PAGE]
            return {"orders": some, "next": str(begin + len(some))}
        if call.path == "/orders/acknowledge":
            self.verdicts |= {one["number"]: one for one in call.content["orders"]}
            return {}
        name = "available" if call.path == "/availability" else "price"
        rows = {row["sku"]: row for row in call.content["rows"]}
        refused = [sku for sku in rows if sku in self.refuses]
        self.values |= {(name, sku): str(row[name]) for sku, row in rows.items() if sku not in self.refuses}
        return {"refused": [{"sku": sku, "code": self.refuses[sku], "message": "Not here."} for sku in refused]}


@asynccontextmanager
async def opened() -> AsyncIterator[Bazaar]:
    bazaar = Bazaar()
    app = web.Application()
    app.router.add_route("*", "/api/{rest:.*}", bazaar.hear)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    bazaar.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
    try:
        yield bazaar
    finally:
        await runner.cleanup()
