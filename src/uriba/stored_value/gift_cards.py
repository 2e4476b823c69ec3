"""Gift cards: money that was paid before. Conditional statements take it, never more than is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uriba.core import clock, money
from uriba.core.errors import Code, Invalid, InvalidState, NotFound, Refusals
from uriba.core.money import Money
from uriba.db import Row, Session
from uriba.stored_value import codes
from uriba.stored_value.errors import CardRefused, NotEnough
from uriba.stored_value.queries import USABLE

REFUND_TERM_DAYS = 90
"""A card to which money goes back can be used for so long at least: the money would be lost else."""

CANNOT_BE_USED = "This gift card cannot be used here."
"""One sentence for what is unknown, blocked, expired or of another currency: it tells a guesser nothing."""

NO_SUCH_CARD = "There is no such gift card."


@dataclass(frozen=True, slots=True)
class Redeem:
    """So much, in minor units, of the card with this code; `index`: its place among an order's payments."""

    index: int
    code: str
    amount_minor: int


async def issue(
    session: Session,
    *,
    card_id: UUID,
    amount: str,
    currency: str,
    code: str | None = None,
    expires_at: datetime | None = None,
    actor: str,
) -> str:
    """Issue a card, with a new code or that of a printed card; return the code.

    Errors: `Invalid` for an amount that is not above zero, a time that is over, a code that is too short or in use.
    """
    minor = money.to_minor(amount, money.check_currency(currency, "amount", "currency"), "amount", "amount")
    if minor <= 0:
        raise Invalid("A gift card is worth more than nothing.", "amount", "amount")
    if expires_at is not None and expires_at <= clock.now():
        raise Invalid("This time is over.", "expiresAt")
    shown = codes.new() if code is None else codes.check_given(code, "code")
    made = await session.fetchval(
        _ISSUE, card_id, codes.digest(shown), codes.last4(shown), currency, minor, expires_at, actor
    )
    if made is None:
        raise Invalid("This code belongs to a card already.", "code")
    return shown


_ISSUE = """
    WITH made AS (
        INSERT INTO gift_card (id, digest, last4, currency, balance_minor, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (digest) DO NOTHING RETURNING id
    )
    INSERT INTO gift_card_entry (card_id, kind, amount_minor, actor) SELECT id, 'ISSUE', $5, $7 FROM made RETURNING id
"""


async def block(session: Session, card_id: UUID, *, blocked: bool) -> None:
    """Have a card pay nothing any more, or again; its money stays on it. Errors: `NotFound`."""
    found = await session.fetchval(
        "UPDATE gift_card SET blocked_at = CASE WHEN $2 THEN coalesce(blocked_at, now()) END WHERE id = $1 "
        "RETURNING true",
        card_id,
        blocked,
    )
    if not found:
        raise NotFound(NO_SUCH_CARD, "id")


async def adjust(session: Session, *, card_id: UUID, amount: str, currency: str, reason: str, actor: str) -> None:
    """Add money to a card or take some off it, with a reason.

    Errors: `NotFound`, `Invalid` (nothing, more than is there), a CURRENCY_MISMATCH.
    """
    refusals = Refusals()
    card = await session.fetchrow("SELECT currency FROM gift_card WHERE id = $1", card_id)
    if card is None:
        raise NotFound(NO_SUCH_CARD, "id")
    if card["currency"] != currency:
        refusals.add(Code.CURRENCY_MISMATCH, f"This card is in {card['currency']}.", "amount", "currency")
    refusals.raise_any()
    minor = money.to_minor(amount, currency, "amount", "amount")
    if minor == 0:
        raise Invalid("This changes nothing.", "amount", "amount")
    if await session.fetchval(_ADJUST, card_id, minor, reason, actor) is None:
        raise Invalid("There is less on this card.", "amount", "amount")


_ADJUST = """
    WITH changed AS (
        UPDATE gift_card SET balance_minor = balance_minor + $2 WHERE id = $1 AND balance_minor + $2 >= 0 RETURNING id
    )
    INSERT INTO gift_card_entry (card_id, kind, amount_minor, reference, actor)
    SELECT id, 'ADJUST', $2, $3, $4 FROM changed RETURNING id
"""


async def redeem(
    session: Session, *, order_id: UUID, currency: str, wanted: Sequence[Redeem], actor: str
) -> dict[int, str]:
    """Take money from cards for an order, all of it or none; a reference by each one's index.

    Errors: `CardRefused`, `NotEnough` per payment; the caller's transaction has to end then.
    """
    amounts = Counter[bytes]()
    for one in wanted:
        amounts[codes.digest(one.code)] += one.amount_minor
    rows = await session.fetch(_REDEEM, list(amounts), list(amounts.values()), currency, order_id, actor)
    taken = {row["digest"]: row for row in rows}
    if len(taken) < len(amounts):
        await _refuse(session, [one for one in wanted if codes.digest(one.code) not in taken], currency)
    return {one.index: reference(taken[codes.digest(one.code)]) for one in wanted}


_REDEEM = f"""
    WITH mine AS (
        SELECT c.id, w.amount FROM gift_card c
        JOIN unnest($1::bytea[], $2::bigint[]) AS w(digest, amount) ON w.digest = c.digest
        WHERE c.currency = $3 AND {USABLE} AND c.balance_minor >= w.amount ORDER BY c.id FOR NO KEY UPDATE OF c
    ), taken AS (
        UPDATE gift_card c SET balance_minor = c.balance_minor - m.amount FROM mine m WHERE c.id = m.id
        RETURNING c.id, c.digest, c.last4, m.amount
    ), kept AS (
        INSERT INTO gift_card_entry (card_id, kind, amount_minor, order_id, actor)
        SELECT id, 'REDEEM', -amount, $4, $5 FROM taken
    )
    SELECT id, digest, last4 FROM taken
"""


def reference(card: Row) -> str:
    """By which a refund finds the card: its last four characters, for people, and its id."""
    return f"****{card['last4']} {card['id']}"


def card_of(reference: str) -> UUID | None:
    """The card that a reference names; None for one that is not the hub's."""
    mark, _, card_id = reference.partition(" ")
    try:
        return UUID(card_id) if mark.startswith("****") else None
    except ValueError:
        return None


async def _refuse(session: Session, wanted: Sequence[Redeem], currency: str) -> None:
    rows = await session.fetch(
        f"SELECT c.digest, c.balance_minor FROM gift_card c WHERE c.digest = ANY($1) AND c.currency = $2 AND {USABLE}",
        [codes.digest(one.code) for one in wanted],
        currency,
    )
    left = {row["digest"]: Money(row["balance_minor"], currency) for row in rows}
    refusals = Refusals()
    for one in wanted:
        there = left.get(codes.digest(one.code))
        why = CANNOT_BE_USED if there is None else f"There is {there} on this gift card."
        refusals.add(Code.PAYMENT_DECLINED, why, "payments", one.index, "token")
    unknown = any(codes.digest(one.code) not in left for one in wanted)
    raise (CardRefused if unknown else NotEnough).of(refusals.problems)


async def give_back(session: Session, *, order_id: UUID, actor: str) -> None:
    """The order came to nothing: what was taken for it is on the cards again. Harmless to say twice."""
    await session.run(_GIVE_BACK, order_id, actor)


_GIVE_BACK = """
    WITH given AS (
        INSERT INTO gift_card_entry (card_id, kind, amount_minor, order_id, actor)
        SELECT card_id, 'GIVE_BACK', -sum(amount_minor), $1, $2 FROM gift_card_entry WHERE order_id = $1
        GROUP BY card_id HAVING sum(amount_minor) < 0 ORDER BY card_id
        ON CONFLICT (order_id, card_id) WHERE kind = 'GIVE_BACK' DO NOTHING RETURNING card_id, amount_minor
    ), mine AS (
        SELECT id, amount_minor FROM gift_card c JOIN given g ON g.card_id = c.id ORDER BY id FOR NO KEY UPDATE OF c
    )
    UPDATE gift_card c SET balance_minor = c.balance_minor + m.amount_minor FROM mine m WHERE c.id = m.id
"""


async def lock(session: Session, *, order_id: UUID) -> None:
    """Keep an order's cards for this transaction: what is summed next sees all that others have booked."""
    await session.run(
        "SELECT FROM gift_card WHERE id IN (SELECT card_id FROM gift_card_entry WHERE order_id = $1) "
        "ORDER BY id FOR NO KEY UPDATE",
        order_id,
    )


async def refund(
    session: Session, *, order_id: UUID, card_id: UUID, amount_minor: int, operation_id: UUID, actor: str
) -> None:
    """Put money back that an order took from a card, blocked or expired as it may be. Once per operation.

    The caller holds the order's cards. Errors: `InvalidState` where it is more than was taken.
    """
    row = await session.fetchrow(
        "SELECT coalesce(-sum(amount_minor), 0)::bigint AS out, coalesce(bool_or(operation_id = $3), false) AS booked "
        "FROM gift_card_entry WHERE order_id = $1 AND card_id = $2",
        order_id,
        card_id,
        operation_id,
    )
    assert row is not None
    if row["booked"]:
        return
    if amount_minor > row["out"]:
        raise InvalidState("No more can go back to a gift card than the order took from it.")
    await session.run(_REFUND, card_id, amount_minor, order_id, operation_id, actor)


_REFUND = f"""
    WITH booked AS (
        INSERT INTO gift_card_entry (card_id, kind, amount_minor, order_id, operation_id, actor)
        VALUES ($1, 'REFUND', $2, $3, $4, $5)
    )
    UPDATE gift_card SET balance_minor = balance_minor + $2,
        expires_at = CASE WHEN expires_at IS NOT NULL
            THEN greatest(expires_at, now() + interval '{REFUND_TERM_DAYS} days') END
    WHERE id = $1
"""
