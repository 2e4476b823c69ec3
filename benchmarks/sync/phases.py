"""The phases of the benchmark, which measure one hub one after the other."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median

from benchmarks.hub import Hub
from benchmarks.measurements import percentile
from benchmarks.sync.bare_broadcast import run_bare_broadcast
from benchmarks.sync.helper_process import HelperProcess
from benchmarks.sync.workload import TILL_SKU, EndpointClient, FeedReader, Sale, StockChanges, Till, worker_process
from uriba.core import pages

AVAILABILITY_SUBSCRIPTION = """subscription ($c: String!, $s: [String!]!) { availabilityChanged(channel: $c, skus: $s) {
    sku availability(channel: $c) { status quantity } } }"""
VARIABLES = {"c": "web", "s": [TILL_SKU]}

QUANTITY = re.compile(r'(?<="quantity":)\d+')

WARM_UP_SUBSCRIBERS = 20
SETTLE_S = 2.0
SALE_INTERVAL_S = 0.2
FRAMES_PER_S = 2_000
"""Frames that all subscribers together get in a second: with more subscribers there are fewer sales."""

RELAY_EVENTS = 50_000
DISPATCH_EVENTS = 20_000
ENDPOINTS = 8
ROUNDS = 5
BURST_EVENTS = 5_000
BACKLOG_PATHS = ("/fail", "/slow", "/taken")
"""The endpoint with the backlog refuses, takes a second for each event, or catches up as fast as it can."""


@dataclass
class Bench:
    """What the phases share: the hub, its clients, and the helper processes.

    `count` is the number of subscribers, `sample_frame` a frame that the hub has sent.
    """

    hub: Hub
    till: Till
    level: str
    receiver: HelperProcess
    subscribers: HelperProcess
    endpoints: EndpointClient
    changes: StockChanges
    feed: FeedReader
    count: int
    seconds: float
    sample_frame: str = '"quantity":0'

    @property
    def sale_interval_s(self) -> float:
        """The pause between sales while all subscribers are connected."""
        return max(SALE_INTERVAL_S, self.count / FRAMES_PER_S)

    async def webhook_latencies_ms(self, path: str, sales: Sequence[Sale]) -> list[float]:
        """Return the time from the response to each sale until its webhook was received; 0 if that was before."""
        states = await self.receiver.call("on_hand", path, self.level, sales[-1].on_hand)
        received_at = dict(reversed(states))
        return [max(0.0, received_at[sale.on_hand] - sale.answered_at) * 1000 for sale in sales]

    @asynccontextmanager
    async def endpoint(self, path: str, *, after: int | None = None) -> AsyncIterator[str]:
        """Have an endpoint while the block runs, from the feed's end on or replayed from a position."""
        endpoint = await self.endpoints.create(path)
        if after is not None:
            await self.endpoints.replay(endpoint, pages.cursor(after))
        try:
            yield endpoint
        finally:
            await self.endpoints.delete(endpoint)

    @asynccontextmanager
    async def suspended_worker(self) -> AsyncIterator[None]:
        """Suspend the worker while the block runs, so that nothing is relayed or sent."""
        worker = worker_process(self.hub)
        worker.suspend()
        try:
            yield
        finally:
            worker.resume()


def percentiles(name: str, latencies_ms: Sequence[float]) -> dict[str, float]:
    ordered = sorted(latencies_ms)
    return {f"{name}_p50_ms": percentile(ordered, 0.5), f"{name}_p99_ms": percentile(ordered, 0.99)}


async def subscribers(bench: Bench) -> dict[str, float]:
    """Measure latencies to the last subscriber, and to a webhook at the same time; and the memory per subscription."""
    await bench.subscribers.call("connect", bench.hub.port, WARM_UP_SUBSCRIBERS, AVAILABILITY_SUBSCRIPTION, VARIABLES)
    await bench.till.sell_for(SETTLE_S, every_s=SALE_INTERVAL_S)
    await bench.subscribers.call("close")
    await asyncio.sleep(SETTLE_S)
    memory_before = bench.hub.api.memory_info().rss
    connect_s = await bench.subscribers.call(
        "connect", bench.hub.port, bench.count, AVAILABILITY_SUBSCRIPTION, VARIABLES
    )
    await asyncio.sleep(SETTLE_S)
    subscription_bytes = (bench.hub.api.memory_info().rss - memory_before) / bench.count
    cpu_before_s = _cpu_s(bench)
    async with bench.endpoint("/subscribers"):
        quantity = await bench.subscribers.call("quantity")
        sales = await bench.till.sell_for(bench.seconds, every_s=bench.sale_interval_s)
        marks = [quantity - n for n in range(1, len(sales) + 1)]
        received_at = await bench.subscribers.call("received_at", marks)
        webhook_ms = await bench.webhook_latencies_ms("/subscribers", sales)
    bench.sample_frame = await bench.subscribers.call("sample_frame")
    frames = await bench.subscribers.call("frame_count") - bench.count
    cpu_s = _cpu_s(bench) - cpu_before_s
    await bench.subscribers.call("close")
    return {
        "subscription_kb": subscription_bytes / 1000,
        "subscribers_joined_per_s": bench.count / connect_s,
        "sales": len(sales),
        "posSync_p50_ms": median((sale.answered_at - sale.sent_at) * 1000 for sale in sales),
        **percentiles("first_subscriber", _latencies_ms(sales, [first for first, _, _ in received_at])),
        **percentiles("last_subscriber", _latencies_ms(sales, [last for _, _, last in received_at])),
        **percentiles("first_to_last", [(last - first) * 1000 for first, _, last in received_at]),
        **percentiles("webhook_beside_subscribers", webhook_ms),
        "api_cpu_us_per_frame": cpu_s / frames * 1e6,
        "frames_left_out": bench.count * len(sales) - frames,
    }


def _latencies_ms(sales: Sequence[Sale], times: Sequence[float]) -> list[float]:
    return [max(0.0, at - sale.answered_at) * 1000 for sale, at in zip(sales, times, strict=True)]


def _cpu_s(bench: Bench) -> float:
    times = bench.hub.api.cpu_times()
    return float(times.user + times.system)


async def bare(bench: Bench) -> dict[str, float]:
    """Measure the same frame to the same number of sockets, by a server that does nothing else."""
    first_quantity = 1_000_000
    with run_bare_broadcast() as port:

        async def send(quantity: int) -> float:
            async with bench.till.http.post(
                f"http://127.0.0.1:{port}/", data=QUANTITY.sub(str(quantity), bench.sample_frame)
            ) as response:
                await response.read()
            return time.perf_counter()

        await send(first_quantity)
        await bench.subscribers.call("connect", port, bench.count, AVAILABILITY_SUBSCRIPTION, VARIABLES)
        answered_at = []
        for n in range(1, max(2, int(bench.seconds / bench.sale_interval_s)) + 1):
            answered_at.append(await send(first_quantity - n))
            await asyncio.sleep(bench.sale_interval_s)
        marks = [first_quantity - n for n in range(1, len(answered_at) + 1)]
        received_at = await bench.subscribers.call("received_at", marks)
        await bench.subscribers.call("close")
    last_ms = [max(0.0, at - answered) * 1000 for answered, (_, _, at) in zip(answered_at, received_at, strict=True)]
    return {
        **percentiles("bare_last_subscriber", last_ms),
        **percentiles("bare_first_to_last", [(last - first) * 1000 for first, _, last in received_at]),
    }


async def webhooks(bench: Bench) -> dict[str, float]:
    """Measure latencies to the receiver, without subscribers."""
    async with bench.endpoint("/webhook"):
        await bench.till.sell_for(SETTLE_S, every_s=SALE_INTERVAL_S)
        sales = await bench.till.sell_for(bench.seconds, every_s=SALE_INTERVAL_S)
        return percentiles("webhook", await bench.webhook_latencies_ms("/webhook", sales))


async def relay(bench: Bench) -> dict[str, float]:
    """Measure the events per second that the relay numbers: while they are made, and from a backlog."""
    start = await bench.feed.wait_until_complete()
    started = time.perf_counter()
    await bench.changes.make(RELAY_EVENTS // 5)
    concurrent_per_s = (await bench.feed.wait_until_complete() - start) / (time.perf_counter() - started)
    async with bench.suspended_worker():
        await bench.changes.make(RELAY_EVENTS)
        start = await bench.feed.end()
    started = time.perf_counter()
    end = await bench.feed.wait_until_complete()
    return {
        "made_and_relayed_per_s": concurrent_per_s,
        "relayed_per_s": (end - start) / (time.perf_counter() - started),
    }


async def dispatch(bench: Bench) -> dict[str, float]:
    """Measure deliveries per second of events that are in the feed: to one endpoint, and to several at once."""
    start = await bench.feed.wait_until_complete()
    await bench.changes.make(DISPATCH_EVENTS)
    await bench.feed.wait_until_complete()
    figures = {}
    for name, count in (("one_endpoint", 1), (f"{ENDPOINTS}_endpoints", ENDPOINTS)):
        await bench.receiver.call("clear")
        paths = [f"/dispatch-{n}" for n in range(count)]
        endpoints = [await bench.endpoints.create(path) for path in paths]
        async with bench.suspended_worker():
            for endpoint in endpoints:
                await bench.endpoints.replay(endpoint, pages.cursor(start))
        first, last = await bench.receiver.call("first_and_last", paths, DISPATCH_EVENTS)
        figures[f"delivered_per_s_to_{name}"] = DISPATCH_EVENTS * count / (last - first)
        for endpoint in endpoints:
            await bench.endpoints.delete(endpoint)
    return figures


async def backlog(bench: Bench, events: int) -> dict[str, float]:
    """Measure the effect of one endpoint's backlog on another: rounds with and without it in turn, in one database."""
    start = await bench.feed.wait_until_complete()
    await bench.changes.make(events)
    await bench.feed.wait_until_complete()
    figures: dict[str, float] = {"backlog": events}
    for path in BACKLOG_PATHS:
        alone, beside = [], []
        for _ in range(ROUNDS):
            alone.append(await _measure_endpoint(bench))
            async with bench.endpoint(path, after=start):
                beside.append(await _measure_endpoint(bench))
        for name, values_alone, values_beside in zip(
            ("p50", "p99", "per_s"), zip(*alone, strict=True), zip(*beside, strict=True), strict=True
        ):
            figures[f"alone_beside_{path[1:]}_{name}"] = median(values_alone)
            figures[f"beside_{path[1:]}_{name}"] = median(values_beside)
        pairs = list(zip(alone, beside, strict=True))
        figures[f"burst_slower_beside_{path[1:]}"] = median(before[2] / after[2] for before, after in pairs) - 1
        figures[f"p50_later_beside_{path[1:]}"] = median(after[0] / before[0] for before, after in pairs) - 1
    return figures


async def _measure_endpoint(bench: Bench) -> tuple[float, float, float]:
    """Return p50 and p99 of the latency of sales in milliseconds, and the events per second of a burst."""
    await asyncio.sleep(SETTLE_S)
    await bench.receiver.call("clear")
    async with bench.endpoint("/other"):
        sales = await bench.till.sell_for(bench.seconds / ROUNDS, every_s=SALE_INTERVAL_S)
        latencies_ms = sorted(await bench.webhook_latencies_ms("/other", sales))
        await bench.receiver.call("clear")
        making = asyncio.create_task(bench.changes.make(BURST_EVENTS))
        first, last = await bench.receiver.call("first_and_last", ["/other"], BURST_EVENTS)
        await making
    return percentile(latencies_ms, 0.5), percentile(latencies_ms, 0.99), BURST_EVENTS / (last - first)
