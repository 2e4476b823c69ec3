"""Execution of documents: the hub's executor beside graphql-core's interpreter, in one process and one run.

All ways execute the same accepted documents with the same resolvers, database and cost check; HTTP, parsing and
validation are left out. The ways take turns of `SLICE_S`, so that the machine's other load slows all of them. Measured
is the CPU time of the process, which holds the executor, the resolvers and the database driver, but not PostgreSQL.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from inspect import isawaitable
from itertools import count, cycle
from multiprocessing import get_context
from typing import Any, NamedTuple
from uuid import uuid4

import uvloop
from graphql import ExecutionResult, GraphQLObjectType, GraphQLSchema
from graphql import execute as interpret

from benchmarks import documents
from benchmarks.shop import SKUS, Shop
from uriba import embedded
from uriba.checkout.completion import Checkout
from uriba.checkout.gateways.configured import gateways
from uriba.config import Settings
from uriba.core.actor import Actor, Role
from uriba.db import Database, Session
from uriba.graphql.context import Context
from uriba.graphql.engine.execution import Executor
from uriba.graphql.engine.plans import BindResolver, Plan
from uriba.graphql.engine.schema import Schema
from uriba.graphql.hub import Hub
from uriba.graphql.schema import api_schema
from uriba.outbox.database import open_database
from uriba.outbox.hints import Hints

NAME = "execution"
CHANNEL = "web"
CONCURRENT = 16
SLICE_S = 0.2
WARM_UP = 50
CARTS = 64
TIMEOUT_S = 600


class Case(NamedTuple):
    """A document, its variables for each execution, and whether it only reads."""

    title: str
    query: str
    variables: Callable[[], dict[str, Any]]
    reads_only: bool = True


@dataclass(slots=True)
class Cpu:
    """CPU time of one way, and the executions that took it."""

    seconds: float = 0.0
    executions: int = 0

    @property
    def ms(self) -> float:
        return self.seconds / self.executions * 1000


class Comparison(NamedTuple):
    """CPU milliseconds of one execution of a document, by each way.

    `interpreter`: graphql-core and strawberry's resolvers. `bound`: graphql-core, arguments bound as plans bind them.
    """

    title: str
    source: str
    interpreter: float
    bound: float
    plan: float

    @property
    def ratio(self) -> float:
        return self.interpreter / self.plan

    @property
    def bound_ratio(self) -> float:
        return self.bound / self.plan


class Interpreter(Executor):
    """Executes accepted documents by graphql-core's interpreter, with the resolvers of a schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        super().__init__()
        self._schema = schema

    async def execute_plan(
        self, schema: GraphQLSchema, plan: Plan, context: Any, variable_values: dict[str, Any]
    ) -> ExecutionResult:
        result = interpret(self._schema, plan.document, context_value=context, variable_values=variable_values)
        return await result if isawaitable(result) else result


class StoredResults:
    """A database connection that answers a statement from memory after its first execution."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._results: dict[tuple[object, ...], Any] = {}

    async def fetch(self, sql: str, *args: object) -> Any:
        return await self._result("fetch", sql, args)

    async def fetchrow(self, sql: str, *args: object) -> Any:
        return await self._result("fetchrow", sql, args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        return await self._result("fetchval", sql, args)

    async def _result(self, method: str, sql: str, args: tuple[object, ...]) -> Any:
        key = (method, sql, repr(args))
        if key not in self._results:
            async with self._database.reading() as session:
                self._results[key] = await getattr(session.driver, method)(sql, *args)
        return self._results[key]


class MemoryDatabase:
    """Reads from memory what was read from PostgreSQL once."""

    def __init__(self, database: Database) -> None:
        self._connection = StoredResults(database)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Session]:
        yield Session(self._connection)


def compare(shop: Shop, seconds: float) -> list[Comparison]:
    """Execute every document for `seconds` from PostgreSQL and, if it only reads, half of that from memory.

    Runs in a process of its own, which has the API's settings of the garbage collector.
    """
    engines = embedded.find_engines(shop.hub.data_dir)
    assert engines is not None
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_run, engines, shop.page_cursors(), seconds).result(TIMEOUT_S)


def total(comparisons: Sequence[Comparison], source: str) -> Comparison:
    """Return the sums of all documents that were executed from this source, each document once."""
    rows = [row for row in comparisons if row.source == source]
    return Comparison(
        "sum", source, sum(r.interpreter for r in rows), sum(r.bound for r in rows), sum(r.plan for r in rows)
    )


def _run(engines: embedded.EngineAddresses, cursors: Sequence[str | None], seconds: float) -> list[Comparison]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_compare(engines, cursors, seconds))


async def _compare(
    engines: embedded.EngineAddresses, cursors: Sequence[str | None], seconds: float
) -> list[Comparison]:
    settings = Settings(database_url=engines.database_url, valkey_url=engines.valkey_url)
    database, hints = open_database(settings), Hints(engines.valkey_url)
    hub = Hub(database, settings, Checkout(database, settings, gateways(database, settings)), hints)
    bench = _Bench(hub, settings)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    try:
        comparisons = []
        for case in await _cases(bench, cursors):
            comparisons.append(await bench.compare(case, "PostgreSQL", seconds))
            if case.reads_only:
                hub.database = MemoryDatabase(database)  # type: ignore[assignment]
                comparisons.append(await bench.compare(case, "memory", seconds / 2))
                hub.database = database
        return comparisons
    finally:
        await hints.close()
        await database.close()


async def _cases(bench: _Bench, cursors: Sequence[str | None]) -> list[Case]:
    carts = []
    for n in range(CARTS):
        lines = [{"sku": sku, "quantity": 1} for sku in SKUS[n : n + 3]]
        data = await bench.execute(documents.CREATE_CART, {"input": {"lines": lines, "channel": CHANNEL}})
        carts.append(data["cartCreate"]["cart"]["id"])
    pages, skus, cart_ids, numbers = cycle(cursors), cycle(SKUS), cycle(carts), count()

    def add() -> dict[str, Any]:
        n = next(numbers) % CARTS
        return {"cart": carts[n], "lines": [{"sku": SKUS[n], "quantity": 1}], "key": uuid4().hex}

    return [
        Case(
            "browse 20 products, price, availability",
            documents.BROWSE,
            lambda: {"channel": CHANNEL, "after": next(pages)},
        ),
        Case("product by SKU", documents.PRODUCT, lambda: {"channel": CHANNEL, "sku": next(skus)}),
        Case("cart with 3 lines", documents.READ_CART, lambda: {"id": next(cart_ids)}),
        Case("cartLinesAdd", documents.ADD_LINES, add, reads_only=False),
    ]


class _Bench:
    """Executes documents in each way."""

    def __init__(self, hub: Hub, settings: Settings) -> None:
        self._hub = hub
        self._schema = api_schema(settings)
        self._plans = Executor()
        self._ways: dict[str, Executor] = {
            "interpreter": Interpreter(api_schema(settings)._schema),
            "bound": Interpreter(_with_bound_resolvers(api_schema(settings))),
            "plan": self._plans,
        }

    async def compare(self, case: Case, source: str, seconds: float) -> Comparison:
        spent = {way: Cpu() for way in self._ways}
        for executor in self._ways.values():
            self._schema.executor = executor
            for _ in range(WARM_UP):
                await self.execute(case.query, case.variables())
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            for way, executor in self._ways.items():
                self._schema.executor = executor
                await self._slice(case, spent[way])
        self._schema.executor = self._plans
        return Comparison(case.title, source, **{way: cpu.ms for way, cpu in spent.items()})

    async def _slice(self, case: Case, spent: Cpu) -> None:
        """Execute a document for `SLICE_S` by concurrent callers, as many as call the hub in the other rows."""
        until = time.perf_counter() + SLICE_S

        async def call() -> int:
            executions = 0
            while time.perf_counter() < until:
                await self.execute(case.query, case.variables())
                executions += 1
            return executions

        cpu_before = time.process_time()
        executions = await asyncio.gather(*(call() for _ in range(CONCURRENT)))
        spent.seconds += time.process_time() - cpu_before
        spent.executions += sum(executions)

    async def execute(self, query: str, variables: dict[str, Any]) -> Any:
        """Execute a document as a guest of the web shop."""
        channel = await self._hub.channel(CHANNEL)
        assert channel is not None
        actor = Actor(Role.ANONYMOUS, channel_id=channel.id, address="127.0.0.1")
        context = Context.of(self._hub, actor, channel_code=CHANNEL)
        result = await self._schema.execute(query, variable_values=variables, context_value=context)
        assert not result.errors, result.errors
        return result.data


def _with_bound_resolvers(schema: Schema) -> GraphQLSchema:
    """Replace strawberry's wrappers of resolvers by calls with bound arguments."""
    for kind in schema._schema.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            for field in kind.fields.values():
                if (bind := getattr(field.resolve, "bind", None)) is not None:
                    field.resolve = _bound(bind)
    return schema._schema


def _bound(bind: BindResolver) -> Callable[..., Any]:
    def resolve(source: Any, info: Any, **arguments: Any) -> Any:
        return bind(info, arguments)(source)

    return resolve
