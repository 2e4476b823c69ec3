"""Rows: what is measured, how it is prepared, and what it has to reach."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

import asyncpg

from benchmarks import turns
from benchmarks.callers import Callers, Job, Tally, rehearse
from benchmarks.ceilings import Ceilings
from benchmarks.documents import Front
from benchmarks.figures import ADDS, JOURNEYS, RACES, TWENTIETH, Measured, Target, judged
from benchmarks.meters import Meters
from benchmarks.shop import SCARCE_PRICE, SCARCE_STORE, SKUS, STORES, Shop
from benchmarks.turns import DONE, GONE, SOLD, Turns

CALLERS = 16
BUYERS = 32
WARM_S = 1.0
CARTS = 200
BASKETS = 400
TILL_UNITS_PER_S = 300
"""What a second of --seconds is worth in units of the race at the tills; in the web shop it is `WEB_UNITS_PER_S`."""

WEB_UNITS_PER_S = 120
ONCE_PER_S = 60
"""What a second of --seconds is worth in things that are used once."""

ONCE_WARM = 50
TOO_MANY = 100
"""How many more tries than units."""


class Row(Protocol):
    """Something to measure."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    def rehearse(self) -> list[bytes]: ...
    def measure(self, meters: Meters, ceilings: Ceilings) -> Measured: ...


@dataclass(slots=True)
class Steady:
    """An operation that is asked for again and again, for some seconds. `proof` is in each of its answers."""

    name: str
    title: str
    shop: Shop
    callers: Callers
    seconds: float
    turns: Turns
    proof: Mapping[int, bytes]
    target: Target | None = None
    bodies: list[bytes] = field(default_factory=list)

    def rehearse(self) -> list[bytes]:
        """The answers of one turn, looked at."""
        heard = rehearse(self.shop.guest.host, self.shop.guest.port, next(self.turns()))
        for index, mark in self.proof.items():
            assert mark in heard[index][1], heard[index]
        self.bodies = [request.partition(b"\r\n\r\n")[2] for request, _ in heard]
        return [answer for _, answer in heard]

    def measure(self, meters: Meters, ceilings: Ceilings) -> Measured:
        job = Job(self.shop.guest.host, self.shop.guest.port, self.turns, CALLERS)
        self.callers.call(replace(job, seconds=WARM_S))
        before = meters.read()
        tally = self.callers.call(replace(job, seconds=self.seconds))
        spent = meters.read().since(before)
        ceiling = ceilings.bare(self.name, self.bodies, callers=CALLERS, seconds=self.seconds / 2)
        rate = tally.outcomes[DONE] / tally.elapsed_s
        return judged(self.name, self.title, self.target, tally, spent, ceiling, per_s=rate, outcome=DONE)


@dataclass(slots=True)
class Race:
    """Buyers of one variant, each with carts of one unit, until it is gone; and some tries more."""

    name: str
    title: str
    shop: Shop
    callers: Callers
    seconds: float
    sku: str
    units: int
    buyer: Front
    tender: Mapping[str, str]
    pickup: str | None
    warm: Turns
    target: Target

    def rehearse(self) -> list[bytes]:
        return []

    def measure(self, meters: Meters, ceilings: Ceilings) -> Measured:
        self.shop.put(self.sku, self.units)
        carts = filled(self.shop, self.callers, self.buyer, [(self.sku,)] * (self.units + TOO_MANY), self.pickup)
        job = Job(self.buyer.host, self.buyer.port, self.warm, BUYERS)
        self.callers.call(replace(job, seconds=WARM_S))
        race = partial(turns.buys, self.buyer, carts, SCARCE_PRICE, self.tender)
        before = meters.read()
        tally = self.callers.call(replace(job, turns=race))
        spent = meters.read().since(before)
        ceiling = ceilings.stock_statement("HOT-CEILING", callers=BUYERS, seconds=self.seconds / 2)
        sold = [ended for outcome, _, ended in tally.turns if outcome == SOLD]
        rate = len(sold) / max(sold, default=1.0)
        found = judged(self.name, self.title, self.target, tally, spent, ceiling, per_s=rate, outcome=SOLD)
        wrong = [*found.wrong, *self._wrong(tally)]
        said = f"{len(sold):,} of {self.units:,} sold, {tally.outcomes[GONE]} refused"
        return replace(found, said=said, wrong=wrong, reached=bool(found.reached) and not wrong)

    def _wrong(self, tally: Tally) -> Iterator[str]:
        """What must not be: a unit too many or too few, sold or refused."""
        orders, units = asyncio.run(_ordered(self.shop, self.sku))
        level = self.shop.on_shelf(self.sku)
        left = level["onHand"] - level["committed"]
        for name, found, meant in (
            ("sold", tally.outcomes[SOLD], self.units),
            ("refused", tally.outcomes[GONE], TOO_MANY),
            ("orders", orders, self.units),
            ("units ordered", units, self.units),
            ("units left", left, 0),
            ("units reserved", level["reserved"], 0),
            ("units short", level["shortage"], 0),
        ):
            if found != meant:
                yield f"{name}: {found}, not {meant}"


@dataclass(slots=True)
class Once:
    """An operation that each thing allows once: as many things are made before as `seconds` are worth."""

    name: str
    title: str
    shop: Shop
    callers: Callers
    seconds: float
    front: Front
    make: Callable[[int], Iterator[turns.Turn]]
    use: Callable[[Sequence[str]], Iterator[turns.Turn]]
    proof: bytes
    bodies: list[bytes] = field(default_factory=list)

    def rehearse(self) -> list[bytes]:
        (thing,) = self._made(1)
        ((request, answer),) = rehearse(self.front.host, self.front.port, next(self.use([thing])))
        assert self.proof in answer, answer
        self.bodies = [request.partition(b"\r\n\r\n")[2]]
        return [answer]

    def measure(self, meters: Meters, ceilings: Ceilings) -> Measured:
        self._used(self._made(ONCE_WARM))
        things = self._made(round(self.seconds * ONCE_PER_S))
        before = meters.read()
        tally = self._used(things)
        spent = meters.read().since(before)
        ceiling = ceilings.bare(self.name, self.bodies, callers=CALLERS, seconds=self.seconds / 2)
        rate = tally.outcomes[DONE] / tally.elapsed_s
        return judged(self.name, self.title, None, tally, spent, ceiling, per_s=rate, outcome=DONE)

    def _made(self, count: int) -> list[str]:
        tally = self.callers.call(Job(self.front.host, self.front.port, partial(self.make, count), CALLERS))
        assert not tally.failures, tally.failures
        return [thing for thing, _, _ in tally.turns]

    def _used(self, things: Sequence[str]) -> Tally:
        return self.callers.call(Job(self.front.host, self.front.port, partial(self.use, things), CALLERS))


def filled(
    shop: Shop, callers: Callers, front: Front, baskets: Sequence[Sequence[str]], pickup: str | None = None
) -> list[str]:
    """New carts, in no order, by id."""
    tally = callers.call(Job(front.host, front.port, partial(turns.fill, front, baskets, pickup), CALLERS))
    assert not tally.failures, tally.failures
    return [cart for cart, _, _ in tally.turns]


async def _ordered(shop: Shop, sku: str) -> tuple[int, int]:
    """Orders that have this SKU, and units in them."""
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


def browse(shop: Shop, callers: Callers, seconds: float) -> Row:
    ways = partial(turns.browse, shop.guest, "web", shop.cursors())
    title = "browse 20 products, price, availability"
    return Steady("browse", title, shop, callers, seconds, ways, {0: b'"sku":"G019"'}, TWENTIETH)


def product(shop: Shop, callers: Callers, seconds: float) -> Row:
    ways = partial(turns.products, shop.guest, "web", SKUS)
    return Steady("product", "product by SKU", shop, callers, seconds, ways, {0: b'"status":"IN_STOCK"'}, TWENTIETH)


def cart(shop: Shop, callers: Callers, seconds: float) -> Row:
    carts = filled(shop, callers, shop.guest, [SKUS[n : n + 3] for n in range(CARTS)])
    ways = partial(turns.carts, shop.guest, carts)
    return Steady("cart", "cart with 3 lines", shop, callers, seconds, ways, {0: b'"quantity":3'})


def add(shop: Shop, callers: Callers, seconds: float) -> Row:
    """Each cart has two lines and gets a third with its first turn: then it only grows in units."""
    carts = filled(shop, callers, shop.guest, [SKUS[:2]] * BASKETS)
    ways = partial(turns.adds, shop.guest, [(cart, SKUS[n % 300 + 2 : n % 300 + 3]) for n, cart in enumerate(carts)])
    return Steady("add", "cartLinesAdd", shop, callers, seconds, ways, {0: b'"version":3'}, ADDS)


def journey(shop: Shop, callers: Callers, seconds: float) -> Row:
    ways = partial(turns.web_journeys, shop.guest, SKUS, STORES)
    title = "journey, web: 4 requests, paid"
    return Steady("journey", title, shop, callers, seconds, ways, {3: b'"paymentStatus":"PAID"'}, JOURNEYS)


def till(shop: Shop, callers: Callers, seconds: float) -> Row:
    ways = partial(turns.till_journeys, shop.tills, SKUS)
    title = "journey, till: 2 requests, cash"
    return Steady("till", title, shop, callers, seconds, ways, {1: b'"paymentStatus":"PAID"'}, JOURNEYS)


def baskets(count: int) -> list[tuple[str, str]]:
    return [(SKUS[n % len(SKUS)], SKUS[(n * 7 + 1) % len(SKUS)]) for n in range(count)]


def made_carts(front: Front, count: int) -> Iterator[turns.Turn]:
    return turns.priced(front, baskets(count), STORES[0])


def made_sales(front: Front, count: int) -> Iterator[turns.Turn]:
    return turns.sales(front, baskets(count))


def card(shop: Shop, callers: Callers, seconds: float) -> Row:
    title = "checkout by card, pickup, 2 lines: 1 request"
    make, use = partial(made_carts, shop.guest), partial(turns.cards, shop.guest)
    return Once("card", title, shop, callers, seconds, shop.guest, make, use, b'"paymentStatus":"PAID"')


def back(shop: Shop, callers: Callers, seconds: float) -> Row:
    till, title = shop.tills[0], "return of a unit at a till: 1 request"
    make, use = partial(made_sales, till), partial(turns.returned, till)
    return Once("return", title, shop, callers, seconds, till, make, use, b'"PARTIALLY_REFUNDED"')


def race_tills(shop: Shop, callers: Callers, seconds: float) -> Row:
    return Race(
        name="race-tills",
        title=f"{BUYERS} buyers of one variant, tills",
        shop=shop,
        callers=callers,
        seconds=seconds,
        sku="HOT-TILL",
        units=round(seconds * TILL_UNITS_PER_S),
        buyer=shop.tills[STORES.index(SCARCE_STORE)],
        tender=turns.TILL_TENDER,
        pickup=None,
        warm=partial(turns.till_journeys, shop.tills, SKUS),
        target=RACES,
    )


def race_web(shop: Shop, callers: Callers, seconds: float) -> Row:
    return Race(
        name="race-web",
        title=f"{BUYERS} buyers of one variant, web shop",
        shop=shop,
        callers=callers,
        seconds=seconds,
        sku="HOT-WEB",
        units=round(seconds * WEB_UNITS_PER_S),
        buyer=shop.guest,
        tender=turns.WEB_TENDER,
        pickup=SCARCE_STORE,
        warm=partial(turns.web_journeys, shop.guest, SKUS, STORES),
        target=RACES,
    )


MAKERS: Mapping[str, Callable[[Shop, Callers, float], Row]] = {
    "browse": browse,
    "product": product,
    "cart": cart,
    "add": add,
    "journey": journey,
    "till": till,
    "card": card,
    "return": back,
    "race-tills": race_tills,
    "race-web": race_web,
}
"""Every row there is, in the table's order."""
