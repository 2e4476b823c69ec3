"""Facts against a model in plain Python: any order, batches and repetitions end in the same levels, sums and orders.

The model has no SQL, sequences or arrival: it sorts all facts by when they occurred and adds them up. Each example
runs in a transaction of its own that is rolled back.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.shop import Shop, open_shop
from uriba.access import keys
from uriba.core.actor import Actor
from uriba.db import Session
from uriba.outbox import event
from uriba.pos import sync
from uriba.pos.enums import PosEventStatus, PosEventType
from uriba.pos.facts import FactLine, FactTender, TillFact

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

GOODS = ("TEA", "POT", "CUP")
TILLS = 2
PRICE = 100
WRONG = timedelta(minutes=40)
"""The skew of the second till's clock."""


@dataclass(frozen=True)
class ModelFact:
    """A fact of the model: minutes ago, and units by SKU. A return may name a sale by its index in the list."""

    till: int
    kind: PosEventType
    minutes: int
    units: dict[str, int]
    of_sale: int | None = None


def units(least: int, most: int) -> st.SearchStrategy[dict[str, int]]:
    # Sometimes an unknown SKU: such a fact is parked and changes nothing.
    return st.dictionaries(
        st.sampled_from((*GOODS, *GOODS, "UNKNOWN")), st.integers(least, most), min_size=1, max_size=2
    )


def model_facts(kind: PosEventType, least: int, most: int) -> st.SearchStrategy[ModelFact]:
    named = st.none() | st.integers(0, 11) if kind is PosEventType.RETURN else st.none()
    return st.builds(
        ModelFact, st.integers(0, TILLS - 1), st.just(kind), st.integers(60, 75), units(least, most), of_sale=named
    )


FACTS = st.lists(
    st.one_of(
        model_facts(PosEventType.SALE, 0, 5),
        model_facts(PosEventType.RETURN, 1, 4),
        model_facts(PosEventType.RECEIPT, 1, 9),
        model_facts(PosEventType.DAMAGE, 1, 3),
        model_facts(PosEventType.ADJUSTMENT, -4, 4),
        model_facts(PosEventType.COUNT, 0, 12),
    ),
    min_size=1,
    max_size=12,
)


@dataclass(frozen=True)
class Arrival:
    """Indexes of facts in the order of their arrival, some of them repeated, and where batches end."""

    order: Sequence[int]
    ends: frozenset[int]


@st.composite
def examples(draw: st.DrawFn) -> tuple[list[ModelFact], Arrival]:
    facts = draw(FACTS)
    places = st.integers(0, len(facts) - 1)
    again = draw(st.lists(places, max_size=6))
    order = draw(st.permutations([*range(len(facts)), *again]))
    return facts, Arrival(order, frozenset(draw(st.sets(places))))


class Rollback(Exception):
    """Rolls back the transaction of an example."""


@dataclass
class Setup:
    shop: Shop
    tills: list[Actor]
    seen: Counter[str]


_SETUP: list[Setup] = []


@pytest.fixture(scope="module", autouse=True)
async def setup(hub: RunningHub) -> None:
    shop = await open_shop(hub)
    async with hub.database.transaction() as session:
        made = [await keys.for_terminal(session, location=shop.code("S1")) for _ in range(TILLS)]
    async with hub.database.reading() as session:
        found = [await keys.authenticate(session, issued.key) for issued in made]
    _SETUP[:] = [Setup(shop, [actor for actor, _ in found if actor], Counter())]  # type: ignore[misc]


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(example=examples())
async def test_every_arrival_order_ends_as_the_model(hub: RunningHub, example: tuple[list[ModelFact], Arrival]) -> None:
    facts, arrival = example
    (setup,) = _SETUP
    now = datetime.now(UTC)
    sent = [(f.till, to_fact(setup.shop, f, n, now)) for n, f in enumerate(facts)]

    try:
        async with hub.database.transaction(notify=False) as session:
            verdicts = await send_in_order(session, setup, sent, arrival)
            await compare(session, setup, facts, verdicts)
            raise Rollback
    except Rollback:
        pass

    setup.seen.update(examples=1, facts=len(facts), arrivals=len(arrival.order))


def test_enough_examples_were_tried(capsys: pytest.CaptureFixture[str]) -> None:
    (setup,) = _SETUP
    with capsys.disabled():
        counts = ", ".join(f"{n:,} {what}" for what, n in setup.seen.items())
        print(f"\norder independence of facts: {counts}")
    assert setup.seen["examples"] >= 100


def to_fact(shop: Shop, fact: ModelFact, n: int, now: datetime) -> TillFact:
    """Return the fact as its till sends it. Times of the tills differ by half a minute: each has its own clock."""
    at = now - timedelta(minutes=fact.minutes, seconds=30 * fact.till) + WRONG * fact.till
    sale = fact.kind is PosEventType.SALE
    priced = sale or fact.kind is PosEventType.RETURN
    total = PRICE * sum(fact.units.values())
    return TillFact(
        event_id=f"{n}",
        sequence=n + 1,
        type=fact.kind,
        occurred_at=at,
        lines=tuple(
            FactLine(shop.sku(sku), quantity, str(PRICE) if priced else None) for sku, quantity in fact.units.items()
        ),
        receipt=receipt(shop, n) if sale else None,
        original_receipt=None if fact.of_sale is None else receipt(shop, fact.of_sale),
        tenders=(FactTender("CASH", str(total)),) if priced else None,
    )


def receipt(shop: Shop, n: int) -> str:
    return f"{shop.suffix}-{n}"


async def send_in_order(
    session: Session, setup: Setup, sent: Sequence[tuple[int, TillFact]], arrival: Arrival
) -> dict[int, PosEventStatus]:
    """Send the facts in the order of their arrival; return the first verdict on each."""
    first: dict[int, PosEventStatus] = {}
    batch: dict[int, list[int]] = defaultdict(list)
    for n, place in enumerate(arrival.order):
        batch[sent[place][0]].append(place)
        if n in arrival.ends or n == len(arrival.order) - 1:
            for till, places in sorted(batch.items()):
                synced = await sync.sync(
                    session,
                    actor=setup.tills[till],
                    settings=setup.shop.hub.settings,
                    sent_at=datetime.now(UTC) + WRONG * till,
                    epoch=1,
                    facts=[sent[place][1] for place in places],
                )
                await write_pending(session)
                for place, verdict in zip(places, synced.verdicts, strict=True):
                    again = first.setdefault(place, verdict.status)
                    if again is PosEventStatus.PARKED:
                        assert verdict.status is PosEventStatus.PARKED
                    elif verdict.status is not again:
                        assert verdict.status is PosEventStatus.DUPLICATE
            batch.clear()
    return first


async def write_pending(session: Session) -> None:
    """Write what a transaction writes at its end."""
    event.write(session)
    await session.flush()


def applies(fact: ModelFact) -> bool:
    """Whether a fact can be applied as it was sent."""
    signed = fact.kind is PosEventType.ADJUSTMENT
    least = 0 if fact.kind is PosEventType.COUNT else 1
    return "UNKNOWN" not in fact.units and all((abs(q) if signed else q) >= least for q in fact.units.values())


async def compare(
    session: Session, setup: Setup, facts: Sequence[ModelFact], verdicts: dict[int, PosEventStatus]
) -> None:
    expected = {n: "APPLIED" if applies(fact) else "PARKED" for n, fact in enumerate(facts)}
    assert {n: str(status) for n, status in verdicts.items()} == expected
    known = [(n, fact) for n, fact in enumerate(facts) if applies(fact)]
    for sku in GOODS:
        await compare_level(session, setup, sku, known)
    await compare_orders(session, setup, known)


async def compare_level(session: Session, setup: Setup, sku: str, known: Sequence[tuple[int, ModelFact]]) -> None:
    """Compare on hand with the last count and what was added after it, by occurring time."""
    rank = {n: actor.key_id for n, actor in enumerate(setup.tills)}
    mine = sorted(
        ((-(f.minutes * 60 + 30 * f.till), rank[f.till], n, f) for n, f in known if sku in f.units),
        key=lambda found: found[:3],
    )
    on_hand = unavailable = 0
    nominal: Counter[str] = Counter()
    for *_, fact in mine:
        quantity = fact.units[sku]
        nominal[fact.kind] += quantity
        match fact.kind:
            case PosEventType.COUNT:
                on_hand = quantity
            case PosEventType.SALE:
                on_hand -= quantity
            case PosEventType.DAMAGE:
                unavailable += quantity
            case _:
                on_hand += quantity

    level = await session.fetchrow(
        "SELECT l.on_hand, l.unavailable FROM stock_level l JOIN variant v ON v.id = l.variant_id "
        "JOIN location o ON o.id = l.location_id WHERE v.sku = $1 AND o.code = $2",
        setup.shop.sku(sku),
        setup.shop.code("S1"),
    )
    moved = await session.fetch(
        "SELECT m.reason, sum(m.quantity)::bigint AS quantity, sum(m.on_hand_delta)::bigint AS on_hand "
        "FROM stock_movement m JOIN variant v ON v.id = m.variant_id WHERE v.sku = $1 GROUP BY 1",
        setup.shop.sku(sku),
    )
    assert (level["on_hand"], level["unavailable"]) == (on_hand, unavailable) if level else not mine
    assert sum(row["on_hand"] for row in moved) == on_hand
    assert {row["reason"]: row["quantity"] for row in moved} == {str(k): q for k, q in nominal.items()}


async def compare_orders(session: Session, setup: Setup, known: Sequence[tuple[int, ModelFact]]) -> None:
    """Compare orders with applied sales; returns are no more than was bought and paid."""
    sales = {n: fact for n, fact in known if fact.kind is PosEventType.SALE}
    back: dict[int, Counter[str]] = defaultdict(Counter)
    for _, fact in known:
        if fact.kind is PosEventType.RETURN and fact.of_sale in sales:
            back[fact.of_sale].update(fact.units)
    expected = {
        receipt(setup.shop, n): (
            PRICE * sum(sale.units.values()),
            min(PRICE * sum(back[n].values()), PRICE * sum(sale.units.values())),
            {sku: (q, min(q, back[n][sku])) for sku, q in sale.units.items()},
        )
        for n, sale in sales.items()
    }
    rows = await session.fetch(
        "SELECT o.receipt, o.total_minor, o.refunded_minor, json_object_agg(l.sku, "
        "json_build_array(l.quantity, l.returned_quantity)) AS lines FROM orders o "
        "JOIN order_line l ON l.order_id = o.id JOIN location p ON p.id = o.location_id WHERE p.code = $1 "
        "GROUP BY o.id",
        setup.shop.code("S1"),
    )
    found = {
        row["receipt"]: (
            row["total_minor"],
            row["refunded_minor"],
            {sku.split("-")[0]: tuple(counts) for sku, counts in row["lines"].items()},
        )
        for row in rows
    }
    assert found == expected
