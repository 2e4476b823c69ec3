"""`python -m benchmarks.sync`: how soon, and how fast, everybody hears.

From the answer to a till's posSync to the webhook's receiver, and to the last of many WebSocket subscribers; events a
second through relay and dispatch; memory for each subscription; and what a backlog for one endpoint costs another.
Receiver and subscribers are processes of their own; in the same run a bare broadcast sends the same frame to the same
subscribers.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated

import aiohttp
import asyncpg
import msgspec
import typer
from rich.console import Console

from benchmarks import hub, sync_figures
from benchmarks.hub import Hub
from benchmarks.shop import open_shop
from benchmarks.sync_load import ANSWER_S, Changes, Endpoints, Feed, Till, hot_level
from benchmarks.sync_phases import Bench, backlog, bare, dispatch, relay, subscribers, webhooks
from benchmarks.sync_processes import Aside, allow_files
from benchmarks.sync_receiver import Receiver
from benchmarks.sync_subscribers import Subscribers

PHASES = {"subscribers": subscribers, "bare": bare, "webhooks": webhooks, "relay": relay, "dispatch": dispatch}
"""In this order: a subscription's memory is that of a fresh process, and the broadcast sends a frame of the hub's."""

console = Console(stderr=True)

Only = Annotated[list[str] | None, typer.Option("--only", help=f"{', '.join((*PHASES, 'backlog'))}; again for more.")]


def bench(
    count: Annotated[int, typer.Option("--subscribers", min=1, max=10_000)] = 1_000,
    seconds: Annotated[float, typer.Option(min=1, help="How long sales are made for each latency.")] = 60,
    events: Annotated[int, typer.Option("--backlog", min=1_000, help="Events that one endpoint is behind.")] = 100_000,
    only: Only = None,
    json: Annotated[Path | None, typer.Option(help="Where to write the figures as JSON.")] = None,
) -> None:
    """Measure how everybody hears. Exit status 1 where an invariant is broken."""
    allow_files()
    with tempfile.TemporaryDirectory(prefix="uriba-bench-") as folder:
        data_dir = Path(folder, "hub")
        with hub.running(data_dir, processes=1) as running:
            figures = asyncio.run(_measure(running, count, seconds, events, only))
        clean, verdict = hub.check(data_dir)
    sync_figures.show(figures, verdict)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(figures | {"clean": clean})))
    raise typer.Exit(0 if clean else 1)


async def _measure(running: Hub, count: int, seconds: float, events: int, only: list[str] | None) -> dict[str, float]:
    figures: dict[str, float] = {"subscribers": count}
    async with opened(running, count, seconds) as made:
        for name, phase in PHASES.items():
            if not only or name in only or (name == "subscribers" and "bare" in only):
                _say(name)
                figures |= await phase(made)
        if not only or "backlog" in only:
            _say(f"backlog of {events:,}")
            figures |= await backlog(made, events)
    return figures


@asynccontextmanager
async def opened(running: Hub, count: int, seconds: float) -> AsyncIterator[Bench]:
    """The shop, the till, and who listens."""
    shop = await asyncio.to_thread(lambda: open_shop(running, say=_say))
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(ANSWER_S)))
        receiver = await stack.enter_async_context(Aside(Receiver))
        listeners = await stack.enter_async_context(Aside(Subscribers))
        driver = await asyncpg.connect(running.database_url)
        stack.push_async_callback(driver.close)
        level, on_hand = await asyncio.to_thread(hot_level, shop)
        key = shop.tills[0].key
        assert key is not None
        yield Bench(
            hub=running,
            till=Till(http, shop, key, on_hand),
            level=level,
            receiver=receiver,
            listeners=listeners,
            endpoints=Endpoints(shop, await receiver.ask("open")),
            changes=Changes(shop),
            feed=Feed(driver),
            count=count,
            seconds=seconds,
        )


def _say(step: str) -> None:
    console.print(f"  {step} …", highlight=False)


if __name__ == "__main__":
    typer.run(bench)
