"""Moves between states: units that become unfit for sale, or fit again. On hand does not change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from uriba.core import quantities, text
from uriba.core.actor import Actor
from uriba.core.errors import Code, DomainError, Invalid, InvalidQuantity, Refusals
from uriba.db import Row, Session
from uriba.db.statements import statement
from uriba.inventory import ledger, lookups
from uriba.inventory.enums import StockReason, StockState
from uriba.inventory.errors import LedgerRefused
from uriba.inventory.ledger import Movement
from uriba.inventory.queries import LevelKey

LevelState = tuple[LevelKey, StockState]


@dataclass(frozen=True, slots=True)
class StateMove:
    """Units of a SKU at a location that go from one state to another."""

    sku: str
    location: str
    quantity: int
    from_: StockState
    to: StockState


async def move_between_states(
    session: Session, *, actor: Actor, moves: Sequence[StateMove], reason: str | None, reference: str
) -> list[Row]:
    """Move units between states, all rows or none, and return the levels. Rows of one level are added up.

    `reason` is kept with the reference. Safety stock may become unavailable; promised units may not.

    Errors: `NotFound` SKU or location, `Invalid` (from a state to itself), `InvalidQuantity` (0, above 100,000, more
    than is sellable and not promised, or more than are in the state), `LimitExceeded`.
    """
    quantities.check_rows(len(moves), "moves")
    if not moves:
        raise Invalid("Give at least one row.", "moves")
    own_reason = text.optional_text(reason, "reason")
    refusals = Refusals()
    for index, row in enumerate(moves):
        _check(row, index, refusals)
    names = [(row.sku, row.location) for row in moves]
    levels = await lookups.open_levels(session, actor, names, field="moves", refusals=refusals)
    await _check_states(session, moves, levels)
    movements = [m for row, level in zip(moves, levels, strict=True) for m in _movements(row, level)]
    try:
        return await ledger.post(
            session, movements, reference=f"{reference}: {own_reason}" if own_reason else reference, actor=actor.label
        )
    except LedgerRefused as refused:
        raise _too_few_sellable(refused, moves, levels) from refused


def _check(row: StateMove, index: int, refusals: Refusals) -> None:
    try:
        quantities.quantity(row.quantity, "moves", index, "quantity")
    except InvalidQuantity as error:
        refusals.caught(error)
    if row.from_ is row.to:
        refusals.add(Code.INVALID, f"These units are {row.to} already.", "moves", index, "to")


def _movements(row: StateMove, level: LevelKey) -> Iterator[Movement]:
    """Return one movement, or two where units leave one unavailable state for another."""
    if row.from_ is not StockState.SELLABLE:
        yield _movement(level, row.from_, -row.quantity, changes_sellable=row.to is StockState.SELLABLE)
    if row.to is not StockState.SELLABLE:
        yield _movement(level, row.to, row.quantity, changes_sellable=row.from_ is StockState.SELLABLE)


def _movement(level: LevelKey, state: StockState, units: int, *, changes_sellable: bool) -> Movement:
    # The needs of a level are added up: only what leaves the sellable units for good must be available.
    return Movement(
        variant_id=level[0],
        location_id=level[1],
        reason=StockReason.MOVE,
        quantity=abs(units),
        unavailable=units,
        state=state,
        till_need=units if changes_sellable else 0,
    )


async def _check_states(session: Session, moves: Sequence[StateMove], levels: Sequence[LevelKey]) -> None:
    """Check that the units that leave an unavailable state are in it. Errors: `InvalidQuantity`-coded problems."""
    first, net = _balance(moves, levels)
    leaving = {key: units for key, units in net.items() if units > 0 and key[1] is not StockState.SELLABLE}
    if not leaving:
        return
    present = await _lock_states(session, sorted({level for level, _ in leaving}))
    problems = Refusals()
    for (level, state), units in leaving.items():
        if units > present[level, state]:
            sentence = f"Only {present[level, state]} are {state}."
            problems.add(Code.INVALID_QUANTITY, sentence, "moves", first[level, state], "quantity")
    problems.raise_any()


def _balance(
    moves: Sequence[StateMove], levels: Sequence[LevelKey]
) -> tuple[dict[LevelState, int], Counter[LevelState]]:
    """Return, by level and state, the first row that takes units from it, and how many units leave it in total."""
    first: dict[LevelState, int] = {}
    net: Counter[LevelState] = Counter()
    for index, (row, level) in enumerate(zip(moves, levels, strict=True)):
        first.setdefault((level, row.from_), index)
        net[level, row.from_] += row.quantity
        net[level, row.to] -= row.quantity
    return first, net


async def _lock_states(session: Session, levels: Sequence[LevelKey]) -> Counter[LevelState]:
    """Lock levels and return their unavailable units by state."""
    variant_ids, location_ids = [variant_id for variant_id, _ in levels], [location_id for _, location_id in levels]
    # Two statements: one that locks and reads would read the states as they were before it waited for the locks.
    await session.run(_LOCK_LEVELS, variant_ids=variant_ids, location_ids=location_ids)
    rows = await session.fetch(_STATES, variant_ids=variant_ids, location_ids=location_ids)
    return Counter({((r["variant_id"], r["location_id"]), StockState(r["state"])): r["quantity"] for r in rows})


_LOCK_LEVELS = statement("""
    SELECT FROM stock_level
    WHERE (variant_id, location_id) IN (SELECT * FROM unnest(:variant_ids::bigint[], :location_ids::bigint[]))
    ORDER BY variant_id, location_id FOR UPDATE
""")

_STATES = statement("""
    SELECT variant_id, location_id, state, quantity FROM stock_unavailable
    WHERE (variant_id, location_id) IN (SELECT * FROM unnest(:variant_ids::bigint[], :location_ids::bigint[]))
""")


def _too_few_sellable(refused: LedgerRefused, moves: Sequence[StateMove], levels: Sequence[LevelKey]) -> DomainError:
    """Return the ledger's refusals as errors of the first row that takes from a level's sellable units."""
    first, _ = _balance(moves, levels)
    problems = Refusals()
    for refusal in refused.refusals:
        index = first[(refusal.variant_id, refusal.location_id), StockState.SELLABLE]
        sentence = f"Only {refusal.available} are sellable and not promised."
        problems.add(Code.INVALID_QUANTITY, sentence, "moves", index, "quantity")
    return DomainError.of(problems.problems)
