"""`python -m benchmarks.sync`: latency and throughput of webhooks and subscriptions.

Measures the time from the answer to a till's posSync until a webhook is received, and until the last of many WebSocket
subscribers has the change; events per second of relay and dispatch; memory per subscription; and the effect of one
endpoint's backlog on another. Receiver and subscribers are separate processes. In the same run a bare broadcast sends
the same frame to the same number of subscribers.
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

from benchmarks import hub
from benchmarks.hub import Hub
from benchmarks.shop import load_shop
from benchmarks.sync import report
from benchmarks.sync.helper_process import HelperProcess, raise_file_limit
from benchmarks.sync.phases import Bench, backlog, bare, dispatch, relay, subscribers, webhooks
from benchmarks.sync.receiver import Receiver
from benchmarks.sync.subscribers import Subscribers
from benchmarks.sync.workload import TIMEOUT_S, EndpointClient, FeedReader, StockChanges, Till, till_level

PHASES = {"subscribers": subscribers, "bare": bare, "webhooks": webhooks, "relay": relay, "dispatch": dispatch}
"""In this order, because the memory of a subscription is measured in a new process, and the bare broadcast sends a
frame that the hub has sent."""

console = Console(stderr=True)

Only = Annotated[
    list[str] | None, typer.Option("--only", help=f"{', '.join((*PHASES, 'backlog'))}; repeat the option for more.")
]


def bench(
    count: Annotated[int, typer.Option("--subscribers", min=1, max=10_000)] = 1_000,
    seconds: Annotated[float, typer.Option(min=1, help="How long sales are made for each latency.")] = 60,
    events: Annotated[
        int, typer.Option("--backlog", min=1_000, help="Events in the backlog of one endpoint.")
    ] = 100_000,
    only: Only = None,
    json: Annotated[Path | None, typer.Option(help="Where to write the figures as JSON.")] = None,
) -> None:
    """Measure webhooks and subscriptions. Exit status 1 if an invariant is broken."""
    raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="uriba-bench-") as folder:
        data_dir = Path(folder, "hub")
        with hub.run_hub(data_dir, processes=1) as running_hub:
            figures = asyncio.run(_measure(running_hub, count, seconds, events, only))
        clean, check_output = hub.check_invariants(data_dir)
    report.print_report(figures, clean=clean, check_output=check_output)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(figures | {"clean": clean})))
    raise typer.Exit(0 if clean else 1)


async def _measure(
    running_hub: Hub, count: int, seconds: float, events: int, only: list[str] | None
) -> dict[str, float]:
    figures: dict[str, float] = {"subscribers": count}
    async with open_bench(running_hub, count, seconds) as bench_setup:
        for name, phase in PHASES.items():
            if not only or name in only or (name == "subscribers" and "bare" in only):
                _report_step(name)
                figures |= await phase(bench_setup)
        if not only or "backlog" in only:
            _report_step(f"backlog of {events:,}")
            figures |= await backlog(bench_setup, events)
    return figures


@asynccontextmanager
async def open_bench(running_hub: Hub, count: int, seconds: float) -> AsyncIterator[Bench]:
    """Load the shop, and start the receiver and the subscribers."""
    shop = await asyncio.to_thread(lambda: load_shop(running_hub, report_step=_report_step))
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT_S)))
        receiver = await stack.enter_async_context(HelperProcess(Receiver))
        subscribers_process = await stack.enter_async_context(HelperProcess(Subscribers))
        driver = await asyncpg.connect(running_hub.database_url)
        stack.push_async_callback(driver.close)
        level, on_hand = await asyncio.to_thread(till_level, shop)
        key = shop.tills[0].key
        assert key is not None
        yield Bench(
            hub=running_hub,
            till=Till(http, shop, key, on_hand),
            level=level,
            receiver=receiver,
            subscribers=subscribers_process,
            endpoints=EndpointClient(shop, await receiver.call("listen")),
            changes=StockChanges(shop),
            feed=FeedReader(driver),
            count=count,
            seconds=seconds,
        )


def _report_step(step: str) -> None:
    console.print(f"  {step} …", highlight=False)


if __name__ == "__main__":
    typer.run(bench)
