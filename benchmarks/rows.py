"""The rows of the table: how each is prepared and measured, and its target."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

import asyncpg

from benchmarks import iterations
from benchmarks.ceilings import Ceilings
from benchmarks.documents import Client
from benchmarks.iterations import DONE, OUT_OF_STOCK, SOLD, Iteration, Iterations
from benchmarks.load_generator import LoadGenerator, LoadJob, LoadResult, run_once
from benchmarks.measurements import (
    ADD_TARGET,
    JOURNEY_TARGET,
    RACE_TARGET,
    READ_TARGET,
    Measurement,
    Target,
    make_measurement,
)
from benchmarks.resource_usage import UsageMeter
from benchmarks.shop import SCARCE_PRICE, SCARCE_STORE, SKUS, STORES, Shop

USERS = 16
RACE_USERS = 32
WARM_UP_S = 1.0
CARTS_TO_READ = 200
CARTS_TO_ADD_TO = 400
TILL_UNITS_PER_S = 300
"""Units that a race at tills sells for each second of --seconds."""

WEB_UNITS_PER_S = 120
"""Units that a race in the web shop sells for each second of --seconds."""

SINGLE_USES_PER_S = 60
"""Carts or orders that a row of single uses takes for each second of --seconds."""

SINGLE_USES_WARM_UP = 50
REFUSED_TRIES = 100
"""How many more buyers than units a race has."""


class Row(Protocol):
    """A row of the table. `rehearse` runs before all measurements, and returns the bodies of one iteration."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    def rehearse(self) -> list[bytes]: ...
    def measure(self, meter: UsageMeter, ceilings: Ceilings) -> Measurement: ...


@dataclass(slots=True)
class RepeatedRow:
    """An operation that is repeated for some seconds.

    `expected` has bytes that the response with this index must contain; one iteration is checked.
    """

    name: str
    title: str
    shop: Shop
    load_generator: LoadGenerator
    seconds: float
    iterations: Iterations
    expected: Mapping[int, bytes]
    target: Target | None = None
    bodies: list[bytes] = field(default_factory=list)

    def rehearse(self) -> list[bytes]:
        exchanges = run_once(self.shop.guest.host, self.shop.guest.port, next(self.iterations()))
        for index, content in self.expected.items():
            assert content in exchanges[index][1], exchanges[index]
        self.bodies = [request.partition(b"\r\n\r\n")[2] for request, _ in exchanges]
        return [response for _, response in exchanges]

    def measure(self, meter: UsageMeter, ceilings: Ceilings) -> Measurement:
        job = LoadJob(self.shop.guest.host, self.shop.guest.port, self.iterations, USERS)
        self.load_generator.run(replace(job, seconds=WARM_UP_S))
        before = meter.read()
        result = self.load_generator.run(replace(job, seconds=self.seconds))
        used = meter.read().since(before)
        ceiling = ceilings.bare_route(self.name, self.bodies, users=USERS, seconds=self.seconds / 2)
        rate = result.outcomes[DONE] / result.elapsed_s
        return make_measurement(self.name, self.title, self.target, result, used, ceiling, per_s=rate, outcome=DONE)


@dataclass(slots=True)
class RaceRow:
    """Users who buy one variant, each cart with one unit, until it is sold out, and some more who are refused."""

    name: str
    title: str
    shop: Shop
    load_generator: LoadGenerator
    seconds: float
    sku: str
    units: int
    client: Client
    tender: Mapping[str, str]
    pickup: str | None
    warm_up: Iterations
    target: Target

    def rehearse(self) -> list[bytes]:
        return []

    def measure(self, meter: UsageMeter, ceilings: Ceilings) -> Measurement:
        self.shop.set_scarce_stock(self.sku, self.units)
        baskets = [(self.sku,)] * (self.units + REFUSED_TRIES)
        carts = create_carts(self.load_generator, self.client, baskets, self.pickup)
        job = LoadJob(self.client.host, self.client.port, self.warm_up, RACE_USERS)
        self.load_generator.run(replace(job, seconds=WARM_UP_S))
        race = partial(iterations.buy_carts, self.client, carts, SCARCE_PRICE, self.tender)
        before = meter.read()
        result = self.load_generator.run(replace(job, iterations=race))
        used = meter.read().since(before)
        ceiling = ceilings.stock_statement("HOT-CEILING", clients=RACE_USERS, seconds=self.seconds / 2)
        sold_at = [each.ended_s for each in result.iterations if each.outcome == SOLD]
        rate = len(sold_at) / max(sold_at, default=1.0)
        measurement = make_measurement(
            self.name, self.title, self.target, result, used, ceiling, per_s=rate, outcome=SOLD
        )
        errors = [*measurement.errors, *self._errors(result)]
        remark = f"{len(sold_at):,} of {self.units:,} sold, {result.outcomes[OUT_OF_STOCK]} refused"
        return replace(measurement, remark=remark, errors=errors, reached=bool(measurement.reached) and not errors)

    def _errors(self, result: LoadResult) -> Iterator[str]:
        """Yield a message for each number that differs: units sold, refused or left, and orders."""
        orders, units = asyncio.run(_orders_and_units(self.shop, self.sku))
        level = self.shop.scarce_level(self.sku)
        for name, found, expected in (
            ("sold", result.outcomes[SOLD], self.units),
            ("refused", result.outcomes[OUT_OF_STOCK], REFUSED_TRIES),
            ("orders", orders, self.units),
            ("units ordered", units, self.units),
            ("units left", level["onHand"] - level["committed"], 0),
            ("units reserved", level["reserved"], 0),
            ("units short", level["shortage"], 0),
        ):
            if found != expected:
                yield f"{name}: {found}, expected {expected}"


@dataclass(slots=True)
class SingleUseRow:
    """An operation that a cart or an order allows only once.

    `create` makes this many of them before the measurement; the outcome of each iteration is given to `use`.
    """

    name: str
    title: str
    shop: Shop
    load_generator: LoadGenerator
    seconds: float
    client: Client
    create: Callable[[int], Iterator[Iteration]]
    use: Callable[[Sequence[str]], Iterator[Iteration]]
    expected: bytes
    bodies: list[bytes] = field(default_factory=list)

    def rehearse(self) -> list[bytes]:
        (created,) = self._create(1)
        ((request, response),) = run_once(self.client.host, self.client.port, next(self.use([created])))
        assert self.expected in response, response
        self.bodies = [request.partition(b"\r\n\r\n")[2]]
        return [response]

    def measure(self, meter: UsageMeter, ceilings: Ceilings) -> Measurement:
        self._use(self._create(SINGLE_USES_WARM_UP))
        created = self._create(round(self.seconds * SINGLE_USES_PER_S))
        before = meter.read()
        result = self._use(created)
        used = meter.read().since(before)
        ceiling = ceilings.bare_route(self.name, self.bodies, users=USERS, seconds=self.seconds / 2)
        rate = result.outcomes[DONE] / result.elapsed_s
        return make_measurement(self.name, self.title, None, result, used, ceiling, per_s=rate, outcome=DONE)

    def _create(self, count: int) -> list[str]:
        job = LoadJob(self.client.host, self.client.port, partial(self.create, count), USERS)
        result = self.load_generator.run(job)
        assert not result.failures, result.failures
        return [each.outcome for each in result.iterations]

    def _use(self, created: Sequence[str]) -> LoadResult:
        job = LoadJob(self.client.host, self.client.port, partial(self.use, created), USERS)
        return self.load_generator.run(job)


def create_carts(
    load_generator: LoadGenerator, client: Client, baskets: Sequence[Sequence[str]], pickup: str | None = None
) -> list[str]:
    """Create carts with these SKUs, and return their ids in any order."""
    job = LoadJob(client.host, client.port, partial(iterations.create_carts, client, baskets, pickup), USERS)
    result = load_generator.run(job)
    assert not result.failures, result.failures
    return [each.outcome for each in result.iterations]


async def _orders_and_units(shop: Shop, sku: str) -> tuple[int, int]:
    """Return the number of orders with this SKU, and of its units in them."""
    driver = await asyncpg.connect(shop.hub.database_url)
    try:
        row = await driver.fetchrow(
            "SELECT count(DISTINCT order_id) AS orders, coalesce(sum(quantity), 0) AS units "
            "FROM order_line WHERE sku = $1",
            sku,
        )
    finally:
        await driver.close()
    assert row is not None
    return row["orders"], int(row["units"])


def browse(shop: Shop, load_generator: LoadGenerator, seconds: float) -> Row:
    source = partial(iterations.browse_pages, shop.guest, "web", shop.page_cursors())
    title = "browse 20 products, price, availability"
    return RepeatedRow("browse", title, shop, load_generator, seconds, source, {0: b'"sku":"G019"'}, READ_TARGET)


def product(shop: Shop, load_generator: LoadGenerator, seconds: float) -> Row:
    source = partial(iterations.read_products, shop.guest, "web", SKUS)
    title, expected = "product by SKU", {0: b'"status":"IN_STOCK"'}
    return RepeatedRow("product", title, shop, load_generator, seconds, source, expected, READ_TARGET)


def cart(shop: Shop, load_generator: LoadGenerator, seconds: float) -> Row:
    baskets = [SKUS[n : n + 3] for n in range(CARTS_TO_READ)]
    source = partial(iterations.read_carts, shop.guest, create_carts(load_generator, shop.guest, baskets))
    return RepeatedRow("cart", "cart with 3 lines", shop, load_generator, seconds, source, {0: b'"quantity":3'})


def add(shop: Shop, load_generator: LoadGenerator, seconds: float) -> Row:
    """Each cart has two lines. Its first iteration adds a third line; the others only add units to it."""
    cart_ids = create_carts(load_generator, shop.guest, [SKUS[:2]] * CARTS_TO_ADD_TO)
    carts = [(cart_id, SKUS[n % 300 + 2 : n % 300 + 3]) for n, cart_id in enumerate(cart_ids)]
    source = partial(iterations.add_units, shop.guest, carts)
    return RepeatedRow("add", "cartLinesAdd", shop, load_generator, seconds, source, {0: b'"version":3'}, ADD_TARGET)


def journey(shop: Shop, load_generator: LoadGenerator, seconds: float) -> Row:
    source = partial(iterations.web_journeys, shop.guest, SKUS, STORES)
    title, expected = "journey, web: 4 requests, paid", {3: b'"paymentStatus":"PAID"'}
    return RepeatedRow("journey", title, shop, load_generator, seconds, source, expected, JOURNEY_TARGET)


def till(shop: Shop, load_generator: LoadGenerator, seconds: float) -> Row:
    source = partial(iterations.till_journeys, shop.tills, SKUS)
    title, expected = "journey, till: 2 requests, cash", {1: b'"paymentStatus":"PAID"'}
    return RepeatedRow("till", title, shop, load_generator, seconds, source, expected, JOURNEY_TARGET)


def baskets_of_two(count: int) -> list[tuple[str, str]]:
    return [(SKUS[n % len(SKUS)], SKUS[(n * 7 + 1) % len(SKUS)]) for n in range(count)]


def _create_priced_carts(client: Client, count: int) -> Iterator[Iteration]:
    return iterations.create_priced_carts(client, baskets_of_two(count), STORES[0])


def _sell_at_till(till: Client, count: int) -> Iterator[Iteration]:
    return iterations.sell_at_till(till, baskets_of_two(count))


def card(shop: Shop, load_generator: LoadGenerator, seconds: float) -> Row:
    return SingleUseRow(
        name="card",
        title="checkout by card, pickup, 2 lines: 1 request",
        shop=shop,
        load_generator=load_generator,
        seconds=seconds,
        client=shop.guest,
        create=partial(_create_priced_carts, shop.guest),
        use=partial(iterations.pay_carts_by_card, shop.guest),
        expected=b'"paymentStatus":"PAID"',
    )


def return_unit(shop: Shop, load_generator: LoadGenerator, seconds: float) -> Row:
    return SingleUseRow(
        name="return",
        title="return of a unit at a till: 1 request",
        shop=shop,
        load_generator=load_generator,
        seconds=seconds,
        client=shop.tills[0],
        create=partial(_sell_at_till, shop.tills[0]),
        use=partial(iterations.return_units, shop.tills[0]),
        expected=b'"PARTIALLY_REFUNDED"',
    )


def race_tills(shop: Shop, load_generator: LoadGenerator, seconds: float) -> Row:
    return RaceRow(
        name="race-tills",
        title=f"{RACE_USERS} buyers of one variant, tills",
        shop=shop,
        load_generator=load_generator,
        seconds=seconds,
        sku="HOT-TILL",
        units=round(seconds * TILL_UNITS_PER_S),
        client=shop.tills[STORES.index(SCARCE_STORE)],
        tender=iterations.TILL_TENDER,
        pickup=None,
        warm_up=partial(iterations.till_journeys, shop.tills, SKUS),
        target=RACE_TARGET,
    )


def race_web(shop: Shop, load_generator: LoadGenerator, seconds: float) -> Row:
    return RaceRow(
        name="race-web",
        title=f"{RACE_USERS} buyers of one variant, web shop",
        shop=shop,
        load_generator=load_generator,
        seconds=seconds,
        sku="HOT-WEB",
        units=round(seconds * WEB_UNITS_PER_S),
        client=shop.guest,
        tender=iterations.WEB_TENDER,
        pickup=SCARCE_STORE,
        warm_up=partial(iterations.web_journeys, shop.guest, SKUS, STORES),
        target=RACE_TARGET,
    )


ROW_BUILDERS: Mapping[str, Callable[[Shop, LoadGenerator, float], Row]] = {
    "browse": browse,
    "product": product,
    "cart": cart,
    "add": add,
    "journey": journey,
    "till": till,
    "card": card,
    "return": return_unit,
    "race-tills": race_tills,
    "race-web": race_web,
}
"""All rows, in the order of the table."""
