"""Moves between states: units that become unfit for sale, or fit again. What is on hand stays as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from uriba.core import quantities, text
from uriba.core.actor import Actor
from uriba.core.errors import Code, DomainError, Invalid, InvalidQuantity, Refusals
from uriba.db import Row, Session
from uriba.inventory import ledger, lookups
from uriba.inventory.errors import LedgerRefused
from uriba.inventory.ledger import Movement
from uriba.inventory.models import StockReason, StockState

Level = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Move:
    """So many units of a SKU at a location go from one state to another."""

    sku: str
    location: str
    quantity: int
    from_: StockState
    to: StockState


async def move(
    session: Session, *, actor: Actor, moves: Sequence[Move], reason: str | None, reference: str
) -> list[Row]:
    """Move units between states, all rows or none; rows of one level are added up. The levels as they are then.

    `reason` is kept with the reference. A location may set aside its safety stock, but nothing that is promised.

    Errors: `NotFound` SKU or location, `Invalid` (from a state to itself), `InvalidQuantity` (0, above 100,000, more
    than is sellable and not promised, or more than are in the state), `LimitExceeded`.
    """
    quantities.check_rows(len(moves), "moves")
    if not moves:
        raise Invalid("Give at least one row.", "moves")
    because = text.optional_text(reason, "reason")
    refusals = Refusals()
    for index, row in enumerate(moves):
        _check(row, index, refusals)
    levels = await _levels(session, actor, moves, refusals)
    await _check_states(session, moves, levels)
    movements = [m for row, level in zip(moves, levels, strict=True) for m in _movements(row, level)]
    try:
        return await ledger.post(
            session, movements, reference=f"{reference}: {because}" if because else reference, actor=actor.label
        )
    except LedgerRefused as refused:
        raise _short(refused, moves, levels) from refused


def _check(row: Move, index: int, refusals: Refusals) -> None:
    try:
        quantities.quantity(row.quantity, "moves", index, "quantity")
    except InvalidQuantity as error:
        refusals.caught(error)
    if row.from_ is row.to:
        refusals.add(Code.INVALID, f"These units are {row.to} already.", "moves", index, "to")


async def _levels(session: Session, actor: Actor, moves: Sequence[Move], refusals: Refusals) -> list[Level]:
    """The (variant, location) of each row, with a level opened for it; refuses what is unknown."""
    variants = await lookups.variants(session, [row.sku for row in moves], field="moves", refusals=refusals)
    places = await lookups.places(session, [row.location for row in moves])
    for index, row in enumerate(moves):
        if row.location not in places:
            refusals.add(Code.NOT_FOUND, "There is no such location.", "moves", index, "location")
        else:
            lookups.check_own(actor, places[row.location])
    refusals.raise_any()
    levels = [(variants[row.sku], places[row.location]) for row in moves]
    await ledger.open_levels(session, levels)
    return levels


def _movements(row: Move, level: Level) -> Iterator[Movement]:
    """One movement, or two where the units leave one reason to be unavailable for another."""
    if row.from_ is not StockState.SELLABLE:
        yield _movement(level, row.from_, -row.quantity, shelf=row.to is StockState.SELLABLE)
    if row.to is not StockState.SELLABLE:
        yield _movement(level, row.to, row.quantity, shelf=row.from_ is StockState.SELLABLE)


def _movement(level: Level, state: StockState, units: int, *, shelf: bool) -> Movement:
    """`shelf`: the units come from those that are for sale, or go there; of one level it is the balance that counts."""
    return Movement(
        variant_id=level[0],
        location_id=level[1],
        reason=StockReason.MOVE,
        quantity=abs(units),
        unavailable=units,
        state=state,
        shelf_need=units if shelf else 0,
    )


async def _check_states(session: Session, moves: Sequence[Move], levels: Sequence[Level]) -> None:
    """Units that are not in a state cannot leave it. Errors: `InvalidQuantity`-coded problems."""
    first, net = _balance(moves, levels)
    leaving = {key: units for key, units in net.items() if units > 0 and key[1] is not StockState.SELLABLE}
    if not leaving:
        return
    there = await _locked_states(session, sorted({level for level, _ in leaving}))
    problems = Refusals()
    for (level, state), units in leaving.items():
        if units > there[level, state]:
            sentence = f"Only {there[level, state]} are {state}."
            problems.add(Code.INVALID_QUANTITY, sentence, "moves", first[level, state], "quantity")
    problems.raise_any()


def _balance(
    moves: Sequence[Move], levels: Sequence[Level]
) -> tuple[dict[tuple[Level, StockState], int], Counter[tuple[Level, StockState]]]:
    """Of each level's states the first row that takes from it, and the units that all rows take in the end."""
    first: dict[tuple[Level, StockState], int] = {}
    net: Counter[tuple[Level, StockState]] = Counter()
    for index, (row, level) in enumerate(zip(moves, levels, strict=True)):
        first.setdefault((level, row.from_), index)
        net[level, row.from_] += row.quantity
        net[level, row.to] -= row.quantity
    return first, net


async def _locked_states(session: Session, levels: Sequence[Level]) -> Counter[tuple[Level, StockState]]:
    """Units by level and state, which nobody changes before this transaction ends."""
    keys = [variant_id for variant_id, _ in levels], [location_id for _, location_id in levels]
    await session.run(
        "SELECT FROM stock_level WHERE (variant_id, location_id) IN (SELECT * FROM unnest($1::bigint[], $2::bigint[])) "
        "ORDER BY variant_id, location_id FOR UPDATE",
        *keys,
    )
    rows = await session.fetch(
        "SELECT variant_id, location_id, state, quantity FROM stock_unavailable "
        "WHERE (variant_id, location_id) IN (SELECT * FROM unnest($1::bigint[], $2::bigint[]))",
        *keys,
    )
    return Counter({((r["variant_id"], r["location_id"]), StockState(r["state"])): r["quantity"] for r in rows})


def _short(refused: LedgerRefused, moves: Sequence[Move], levels: Sequence[Level]) -> DomainError:
    """The ledger's refusals, as those of the first row that takes from what is for sale."""
    first, _ = _balance(moves, levels)
    problems = Refusals()
    for refusal in refused.refusals:
        index = first[(refusal.variant_id, refusal.location_id), StockState.SELLABLE]
        sentence = f"Only {refusal.available} are for sale and not promised."
        problems.add(Code.INVALID_QUANTITY, sentence, "moves", index, "quantity")
    return DomainError.of(problems.problems)
