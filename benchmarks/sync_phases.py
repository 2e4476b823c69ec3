"""What is measured, phase by phase, on one hub."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median

from benchmarks.figures import percentile
from benchmarks.hub import Hub
from benchmarks.sync_bare import broadcasting
from benchmarks.sync_load import HOT, Changes, Endpoints, Feed, Sold, Till, worker
from benchmarks.sync_processes import Aside
from uriba.core import pages

FOLLOW = """subscription ($c: String!, $s: [String!]!) { availabilityChanged(channel: $c, skus: $s) {
    sku availability(channel: $c) { status quantity } } }"""
VARIABLES = {"c": "web", "s": [HOT]}

QUANTITY = re.compile(r'(?<="quantity":)\d+')

WARM = 20
SETTLED_S = 2.0
EVERY_S = 0.2
SUBSCRIBERS_PER_S = 2_000
"""So many subscribers are told something new in a second; fewer sales for more of them."""

RELAYED = 50_000
DISPATCHED = 20_000
ENDPOINTS = 8
ROUNDS = 5
BURST = 5_000
BEHIND = ("/fail", "/slow", "/taken")
"""How an endpoint may be behind: it refuses, it takes a second for each, or it catches up as fast as it can."""


@dataclass
class Bench:
    """All that a phase needs."""

    hub: Hub
    till: Till
    level: str
    receiver: Aside
    listeners: Aside
    endpoints: Endpoints
    changes: Changes
    feed: Feed
    count: int
    seconds: float
    sample: str = '"quantity":0'

    @property
    def every_s(self) -> float:
        """The pause between sales while all subscribers listen."""
        return max(EVERY_S, self.count / SUBSCRIBERS_PER_S)

    async def webhook_ms(self, path: str, sold: Sequence[Sold]) -> list[float]:
        """From the answer to each sale until the receiver had it; before the answer is 0."""
        states = await self.receiver.ask("on_hand", path, self.level, sold[-1].on_hand)
        came = dict(reversed(states))
        return [max(0.0, came[one.on_hand] - one.answered) * 1000 for one in sold]

    @asynccontextmanager
    async def told(self, path: str, *, after: int | None = None) -> AsyncIterator[str]:
        """An endpoint for a while, from its feed's end on or replayed from a position."""
        endpoint = await self.endpoints.open(path)
        if after is not None:
            await self.endpoints.replay(endpoint, pages.cursor(after))
        try:
            yield endpoint
        finally:
            await self.endpoints.close(endpoint)

    @asynccontextmanager
    async def worker_away(self) -> AsyncIterator[None]:
        """Nothing is relayed or sent meanwhile."""
        stopped = worker(self.hub)
        stopped.suspend()
        try:
            yield
        finally:
            stopped.resume()


def spread(name: str, took_ms: Sequence[float]) -> dict[str, float]:
    ordered = sorted(took_ms)
    return {f"{name}_p50_ms": percentile(ordered, 0.5), f"{name}_p99_ms": percentile(ordered, 0.99)}


async def subscribers(bench: Bench) -> dict[str, float]:
    """From posSync to the last subscriber, and to a webhook at the same time; what a subscription weighs."""
    await bench.listeners.ask("connect", bench.hub.port, WARM, FOLLOW, VARIABLES)
    await bench.till.sell_for(SETTLED_S, every_s=EVERY_S)
    await bench.listeners.ask("close")
    await asyncio.sleep(SETTLED_S)
    before = bench.hub.api.memory_info().rss
    took = await bench.listeners.ask("connect", bench.hub.port, bench.count, FOLLOW, VARIABLES)
    await asyncio.sleep(SETTLED_S)
    weighs = (bench.hub.api.memory_info().rss - before) / bench.count
    cpu = _cpu_s(bench)
    async with bench.told("/subscribers"):
        shown = await bench.listeners.ask("quantity")
        sold = await bench.till.sell_for(bench.seconds, every_s=bench.every_s)
        heard = await bench.listeners.ask("heard", [shown - n for n in range(1, len(sold) + 1)])
        webhook = await bench.webhook_ms("/subscribers", sold)
    bench.sample = await bench.listeners.ask("sample")
    frames = await bench.listeners.ask("frames") - bench.count
    spent = _cpu_s(bench) - cpu
    await bench.listeners.ask("close")
    return {
        "subscription_kb": weighs / 1000,
        "subscribers_joined_per_s": bench.count / took,
        "sales": len(sold),
        "posSync_p50_ms": median((one.answered - one.asked) * 1000 for one in sold),
        **spread("first_subscriber", _since(sold, [first for first, _, _ in heard])),
        **spread("last_subscriber", _since(sold, [last for _, _, last in heard])),
        **spread("first_to_last", [(last - first) * 1000 for first, _, last in heard]),
        **spread("webhook_beside_subscribers", webhook),
        "api_cpu_us_per_frame": spent / frames * 1e6,
        "frames_left_out": bench.count * len(sold) - frames,
    }


def _since(sold: Sequence[Sold], times: Sequence[float]) -> list[float]:
    return [max(0.0, at - one.answered) * 1000 for one, at in zip(sold, times, strict=True)]


def _cpu_s(bench: Bench) -> float:
    times = bench.hub.api.cpu_times()
    return float(times.user + times.system)


async def bare(bench: Bench) -> dict[str, float]:
    """The same frame to the same number of sockets, by a server that does nothing else."""
    first = 1_000_000
    with broadcasting() as port:

        async def tell(quantity: int) -> float:
            async with bench.till.http.post(
                f"http://127.0.0.1:{port}/", data=QUANTITY.sub(str(quantity), bench.sample)
            ) as answer:
                await answer.read()
            return time.perf_counter()

        await tell(first)
        await bench.listeners.ask("connect", port, bench.count, FOLLOW, VARIABLES)
        told = []
        for n in range(1, max(2, int(bench.seconds / bench.every_s)) + 1):
            told.append(await tell(first - n))
            await asyncio.sleep(bench.every_s)
        heard = await bench.listeners.ask("heard", [first - n for n in range(1, len(told) + 1)])
        await bench.listeners.ask("close")
    last = [max(0.0, at - answered) * 1000 for answered, (_, _, at) in zip(told, heard, strict=True)]
    return {
        **spread("bare_last_subscriber", last),
        **spread("bare_first_to_last", [(last - first) * 1000 for first, _, last in heard]),
    }


async def webhooks(bench: Bench) -> dict[str, float]:
    """From posSync to the receiver, while nobody else listens."""
    async with bench.told("/webhook"):
        await bench.till.sell_for(SETTLED_S, every_s=EVERY_S)
        sold = await bench.till.sell_for(bench.seconds, every_s=EVERY_S)
        return spread("webhook", await bench.webhook_ms("/webhook", sold))


async def relay(bench: Bench) -> dict[str, float]:
    """Events a second that are given their place, while they are made and when many wait."""
    start = await bench.feed.quiet()
    began = time.perf_counter()
    await bench.changes.make(RELAYED // 5)
    alive = (await bench.feed.quiet() - start) / (time.perf_counter() - began)
    async with bench.worker_away():
        await bench.changes.make(RELAYED)
        start = await bench.feed.end()
    began = time.perf_counter()
    end = await bench.feed.quiet()
    return {
        "made_and_relayed_per_s": alive,
        "relayed_per_s": (end - start) / (time.perf_counter() - began),
    }


async def dispatch(bench: Bench) -> dict[str, float]:
    """Deliveries a second of events that have their place: to one endpoint, and to several at once."""
    start = await bench.feed.quiet()
    await bench.changes.make(DISPATCHED)
    await bench.feed.quiet()
    figures = {}
    for name, count in (("one_endpoint", 1), (f"{ENDPOINTS}_endpoints", ENDPOINTS)):
        await bench.receiver.ask("forget")
        paths = [f"/dispatch-{n}" for n in range(count)]
        made = [await bench.endpoints.open(path) for path in paths]
        async with bench.worker_away():
            for endpoint in made:
                await bench.endpoints.replay(endpoint, pages.cursor(start))
        first, last = await bench.receiver.ask("rate", paths, DISPATCHED)
        figures[f"delivered_per_s_to_{name}"] = DISPATCHED * count / (last - first)
        for endpoint in made:
            await bench.endpoints.close(endpoint)
    return figures


async def backlog(bench: Bench, events: int) -> dict[str, float]:
    """What one endpoint's backlog costs another: rounds with and without it in turn, in the same database."""
    start = await bench.feed.quiet()
    await bench.changes.make(events)
    await bench.feed.quiet()
    figures: dict[str, float] = {"backlog": events}
    for behind in BEHIND:
        alone, beside = [], []
        for _ in range(ROUNDS):
            alone.append(await _heard(bench))
            async with bench.told(behind, after=start):
                beside.append(await _heard(bench))
        for name, without, having in zip(
            ("p50", "p99", "per_s"), zip(*alone, strict=True), zip(*beside, strict=True), strict=True
        ):
            figures[f"alone_beside_{behind[1:]}_{name}"] = median(without)
            figures[f"beside_{behind[1:]}_{name}"] = median(having)
        pairs = list(zip(alone, beside, strict=True))
        figures[f"burst_slower_beside_{behind[1:]}"] = median(before[2] / after[2] for before, after in pairs) - 1
        figures[f"p50_later_beside_{behind[1:]}"] = median(after[0] / before[0] for before, after in pairs) - 1
    return figures


async def _heard(bench: Bench) -> tuple[float, float, float]:
    """How another endpoint hears: p50 and p99 of sales in milliseconds, and events a second of a burst."""
    await asyncio.sleep(SETTLED_S)
    await bench.receiver.ask("forget")
    async with bench.told("/other"):
        sold = await bench.till.sell_for(bench.seconds / ROUNDS, every_s=EVERY_S)
        took = sorted(await bench.webhook_ms("/other", sold))
        await bench.receiver.ask("forget")
        made = asyncio.create_task(bench.changes.make(BURST))
        first, last = await bench.receiver.ask("rate", ["/other"], BURST)
        await made
    return percentile(took, 0.5), percentile(took, 0.99), BURST / (last - first)
