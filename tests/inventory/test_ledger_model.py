"""The ledger against a model in plain Python: any sequence of movements ends in the same levels, refusals and shortages.

The model has no SQL: it adds up movements, checks conditions, and has a queue of shortages. Each example runs in a
transaction of its own that is rolled back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.shop import open_shop
from tests.support.stock_calls import level_events, level_ids
from uriba.db import Session
from uriba.inventory import ledger
from uriba.inventory.enums import StockReason
from uriba.inventory.errors import LedgerRefused
from uriba.inventory.ledger import Movement

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

Key = tuple[int, int]
LEVELS = 3


@dataclass(frozen=True)
class Step:
    """One movement to make. `units` are limited to what is there where a bucket is reduced."""

    kind: str
    level: int
    units: int
    expected: int | None = None
    safety_stock: int | None = None


PROMISES = ("commit", "reserve", "reserve on the shelf", "sell from the shelf")
CHANGES = ("adjust", "take away", "fact", "damage", "release", "settle", "hand over")
STEP = st.one_of(
    st.builds(Step, st.sampled_from(PROMISES + CHANGES), st.integers(0, LEVELS - 1), st.integers(1, 9)),
    st.builds(
        Step,
        st.just("count"),
        st.integers(0, LEVELS - 1),
        st.integers(0, 12),
        expected=st.none() | st.integers(0, 6),
        safety_stock=st.none() | st.integers(0, 4),
    ),
)


def _counts_alone(steps: Sequence[Step]) -> bool:
    """Whether a count is the only step of its level in one call."""
    counted = [step.level for step in steps if step.kind == "count"]
    others = [step.level for step in steps if step.kind != "count"]
    return len(set(counted)) == len(counted) and not set(counted) & set(others)


CALLS = st.lists(st.lists(STEP, min_size=1, max_size=5).filter(_counts_alone), min_size=1, max_size=9)


@dataclass
class Level:
    """A level of the model."""

    on_hand: int = 0
    committed: int = 0
    reserved: int = 0
    unavailable: int = 0
    safety_stock: int = 0
    shortages: list[list[int]] = field(default_factory=list)

    @property
    def free(self) -> int:
        return self.on_hand - self.committed - self.reserved - self.unavailable

    @property
    def missing(self) -> int:
        return max(0, -self.free)

    def account(self) -> None:
        """Open a shortage for newly missing units, or settle the oldest ones."""
        change = self.missing - sum(units - settled for units, settled in self.shortages)
        if change > 0:
            self.shortages.append([change, 0])
        for shortage in self.shortages:
            settled = min(max(0, -change), shortage[0] - shortage[1])
            shortage[1] += settled
            change += settled


def movement(step: Step, key: Key, level: Level, left: dict[str, int]) -> Movement:
    """Return the movement of a step. `left`: what earlier steps of the call have left in the buckets."""
    units = step.units
    match step.kind:
        case "commit":
            return _of(key, StockReason.COMMIT, units, committed=units, need=units)
        case "reserve":
            return _of(key, StockReason.RESERVE, units, reserved=units, need=units)
        case "reserve on the shelf":
            return _of(key, StockReason.RESERVE, units, reserved=units, till_need=units)
        case "sell from the shelf":
            return _of(key, StockReason.SALE, units, on_hand=-units, till_need=units)
        case "adjust":
            return _of(key, StockReason.RECEIPT, units, on_hand=units, floor=True)
        case "take away":
            return _of(key, StockReason.ADJUSTMENT, -units, on_hand=-units, floor=True)
        case "fact":
            return _of(key, StockReason.SALE, units, on_hand=-units)
        case "damage":
            return _of(key, StockReason.DAMAGE, units, unavailable=units)
        case "count":
            return _of(
                key,
                StockReason.COUNT,
                units,
                counted=units,
                expected=step.expected,
                safety_stock=step.safety_stock,
            )
    bucket = "committed" if step.kind == "hand over" else "reserved"
    units = min(units, left[bucket])
    left[bucket] -= units
    match step.kind:
        case "release":
            return _of(key, StockReason.RELEASE, units, reserved=-units)
        case "settle":
            return _of(key, StockReason.COMMIT, units, reserved=-units, committed=units)
        case _:
            return _of(key, StockReason.SALE, units, committed=-units, on_hand=-units)


def _of(key: Key, reason: StockReason, quantity: int, **given: int | bool | None) -> Movement:
    return Movement(variant_id=key[0], location_id=key[1], reason=reason, quantity=quantity, **given)  # type: ignore[arg-type]


def refusal(level: Level, moved: Sequence[Movement]) -> tuple[str, int] | None:
    """Return why a level does not allow its movements, and what is available; None if it does."""
    need, till_need = sum(m.need for m in moved), sum(m.till_need for m in moved)
    counted = next((m.counted for m in moved if m.counted is not None), None)
    expected = next((m.expected for m in moved if m.expected is not None), None)
    floor = any(m.floor for m in moved)
    on_hand = (level.on_hand if counted is None else counted) + sum(m.on_hand for m in moved)
    if expected is not None or floor:
        there = level.on_hand
    else:
        there = max(0, level.free - (level.safety_stock if need else 0))
    if (need and need > level.free - level.safety_stock) or (need + till_need and need + till_need > level.free):
        return "SHORT", there
    if floor and on_hand < 0:
        return "FLOOR", there
    if expected is not None and expected != level.on_hand:
        return "EXPECTED", there
    return None


def apply(level: Level, moved: Sequence[Movement]) -> None:
    for m in moved:
        if m.counted is not None:
            level.on_hand = m.counted
        if m.safety_stock is not None:
            level.safety_stock = m.safety_stock
        level.on_hand += m.on_hand
        level.committed += m.committed
        level.reserved += m.reserved
        level.unavailable += m.unavailable
    level.account()


class Rollback(Exception):
    """Rolls back the transaction of an example."""


async def _keys(hub: RunningHub) -> list[Key]:
    """Return three levels of one shop, which is created once for all examples."""
    if not _KEYS:
        shop = await open_shop(hub)
        _KEYS.extend([await level_ids(shop, "TEA", place) for place in ("S1", "S2")])
        _KEYS.append(await level_ids(shop, "POT", "S1"))
        await shop.close()
    return _KEYS


_KEYS: list[Key] = []


@settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(calls=CALLS)
async def test_every_sequence_of_movements_ends_as_in_the_model(hub: RunningHub, calls: list[list[Step]]) -> None:
    keys = await _keys(hub)
    model = {key: Level() for key in keys}

    try:
        async with hub.database.transaction(notify=False) as session:
            await ledger.open_levels(session, keys)
            for steps in calls:
                await _post_and_compare(session, model, keys, steps)
            await _compare(session, model)
            raise Rollback
    except Rollback:
        pass


async def _post_and_compare(session: Session, model: dict[Key, Level], keys: list[Key], steps: list[Step]) -> None:
    left = {key: {"committed": level.committed, "reserved": level.reserved} for key, level in model.items()}
    moved = [movement(s, keys[s.level], model[keys[s.level]], left[keys[s.level]]) for s in steps]
    by_level: dict[Key, list[Movement]] = {}
    for m in moved:
        by_level.setdefault((m.variant_id, m.location_id), []).append(m)
    wanted = {key: found for key, ms in by_level.items() if (found := refusal(model[key], ms))}

    try:
        rows = await ledger.post(session, moved, reference="example", actor="model")
    except LedgerRefused as refused:
        assert {(r.variant_id, r.location_id): (r.why, r.available) for r in refused.refusals} == wanted
        return

    assert wanted == {}
    for key, ms in by_level.items():
        apply(model[key], ms)
    assert [(row["variant_id"], row["location_id"]) for row in rows] == sorted(by_level)
    for row in rows:
        level = model[row["variant_id"], row["location_id"]]
        assert (row["on_hand"], row["shortage"]) == (level.on_hand, level.missing)


async def _compare(session: Session, model: dict[Key, Level]) -> None:
    for key, level in model.items():
        found = await session.fetchrow(
            "SELECT on_hand, committed, reserved, unavailable, safety_stock, shortage, version FROM stock_level "
            "WHERE (variant_id, location_id) = ($1, $2)",
            *key,
        )
        assert found is not None
        buckets = (level.on_hand, level.committed, level.reserved, level.unavailable)
        assert tuple(found.values())[:6] == (*buckets, level.safety_stock, level.missing)
        sums = await session.fetchrow(
            "SELECT coalesce(sum(on_hand_delta), 0), coalesce(sum(committed_delta), 0), "
            "coalesce(sum(reserved_delta), 0), coalesce(sum(unavailable_delta), 0) FROM stock_movement "
            "WHERE (variant_id, location_id) = ($1, $2)",
            *key,
        )
        assert sums is not None
        assert tuple(sums.values()) == buckets
        kept = await session.fetch(
            "SELECT quantity, settled FROM shortage WHERE (variant_id, location_id) = ($1, $2) ORDER BY id", *key
        )
        assert [[row["quantity"], row["settled"]] for row in kept] == level.shortages
        versions = [version for _, version in await level_events(session, key)]
        assert versions == list(range(1, found["version"] + 1))
