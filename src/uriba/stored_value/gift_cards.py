"""Gift cards: prepaid money. Balances change by conditional statements, so that none falls below zero."""

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
from uriba.db.statements import statement
from uriba.stored_value import codes
from uriba.stored_value.errors import GiftCardRefused, InsufficientBalance
from uriba.stored_value.queries import USABLE

REFUND_TERM_DAYS = 90
"""After a refund a card stays valid for at least this long, so that the refunded money can be spent."""

CANNOT_BE_USED = "This gift card cannot be used here."
"""The same message for unknown, blocked, expired and wrong-currency cards, so that guessing reveals nothing."""

NO_SUCH_CARD = "There is no such gift card."


@dataclass(frozen=True, slots=True)
class GiftCardRedemption:
    """An amount to take from the card with this code, in minor units; `index`: its position among the payments."""

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
    """Issue a card with a generated code, or with the code of a printed card; return the code.

    Errors: `Invalid` for an amount that is not above zero, an expiry in the past, a code that is too short or in use.
    """
    amount_minor = money.to_minor(amount, money.check_currency(currency, "amount", "currency"), "amount", "amount")
    if amount_minor <= 0:
        raise Invalid("The amount of a gift card must be above zero.", "amount", "amount")
    if expires_at is not None and expires_at <= clock.now():
        raise Invalid("The expiry must be in the future.", "expiresAt")
    issued_code = codes.generate() if code is None else codes.check_printed(code, "code")
    entry_id = await session.fetchval(
        _ISSUE,
        card_id=card_id,
        digest=codes.digest(issued_code),
        last4=codes.last4(issued_code),
        currency=currency,
        amount_minor=amount_minor,
        expires_at=expires_at,
        actor=actor,
    )
    if entry_id is None:
        raise Invalid("Another gift card already has this code.", "code")
    return issued_code


_ISSUE = statement("""
    WITH issued AS (
        INSERT INTO gift_card (id, digest, last4, currency, balance_minor, expires_at)
        VALUES (:card_id, :digest, :last4, :currency, :amount_minor, :expires_at)
        ON CONFLICT (digest) DO NOTHING RETURNING id
    )
    INSERT INTO gift_card_entry (card_id, kind, amount_minor, actor)
    SELECT id, 'ISSUE', :amount_minor, :actor FROM issued RETURNING id
""")


async def block(session: Session, card_id: UUID, *, blocked: bool) -> None:
    """Block a card from paying, or unblock it; its balance stays. Errors: `NotFound`."""
    if not await session.fetchval(_BLOCK, card_id=card_id, blocked=blocked):
        raise NotFound(NO_SUCH_CARD, "id")


_BLOCK = statement("""
    UPDATE gift_card SET blocked_at = CASE WHEN :blocked THEN coalesce(blocked_at, now()) END WHERE id = :card_id
    RETURNING true
""")


async def adjust(session: Session, *, card_id: UUID, amount: str, currency: str, reason: str, actor: str) -> None:
    """Change a card's balance by an amount, with a reason.

    Errors: `NotFound`; `Invalid` for zero and for more than the balance; a CURRENCY_MISMATCH.
    """
    refusals = Refusals()
    card = await session.fetchrow(_CURRENCY, card_id=card_id)
    if card is None:
        raise NotFound(NO_SUCH_CARD, "id")
    if card["currency"] != currency:
        refusals.add(Code.CURRENCY_MISMATCH, f"This gift card is in {card['currency']}.", "amount", "currency")
    refusals.raise_any()
    amount_minor = money.to_minor(amount, currency, "amount", "amount")
    if amount_minor == 0:
        raise Invalid("The amount of an adjustment must not be zero.", "amount", "amount")
    if await session.fetchval(_ADJUST, card_id=card_id, amount_minor=amount_minor, reason=reason, actor=actor) is None:
        raise Invalid("The balance of this gift card is lower than this amount.", "amount", "amount")


_CURRENCY = statement("SELECT currency FROM gift_card WHERE id = :card_id")

_ADJUST = statement("""
    WITH changed AS (
        UPDATE gift_card SET balance_minor = balance_minor + :amount_minor
        WHERE id = :card_id AND balance_minor + :amount_minor >= 0 RETURNING id
    )
    INSERT INTO gift_card_entry (card_id, kind, amount_minor, reference, actor)
    SELECT id, 'ADJUST', :amount_minor, :reason, :actor FROM changed RETURNING id
""")


async def redeem(
    session: Session, *, order_id: UUID, currency: str, redemptions: Sequence[GiftCardRedemption], actor: str
) -> dict[int, str]:
    """Take money from cards for an order, all or none; return each redemption's reference by its index.

    Errors, per payment: `GiftCardRefused`, `InsufficientBalance`. The caller must then roll back its transaction.
    """
    amounts = Counter[bytes]()
    for redemption in redemptions:
        amounts[codes.digest(redemption.code)] += redemption.amount_minor
    rows = await session.fetch(
        _REDEEM,
        digests=list(amounts),
        amounts=list(amounts.values()),
        currency=currency,
        order_id=order_id,
        actor=actor,
    )
    debited = {row["digest"]: row for row in rows}
    if len(debited) < len(amounts):
        await _refuse(session, [r for r in redemptions if codes.digest(r.code) not in debited], currency)
    return {r.index: reference(debited[codes.digest(r.code)]) for r in redemptions}


_REDEEM = statement(f"""
    WITH locked AS (
        SELECT c.id, w.amount FROM gift_card c
        JOIN unnest(:digests::bytea[], :amounts::bigint[]) AS w(digest, amount) ON w.digest = c.digest
        WHERE c.currency = :currency AND {USABLE} AND c.balance_minor >= w.amount ORDER BY c.id FOR NO KEY UPDATE OF c
    ), debited AS (
        UPDATE gift_card c SET balance_minor = c.balance_minor - l.amount FROM locked l WHERE c.id = l.id
        RETURNING c.id, c.digest, c.last4, l.amount
    ), entries AS (
        INSERT INTO gift_card_entry (card_id, kind, amount_minor, order_id, actor)
        SELECT id, 'REDEEM', -amount, :order_id, :actor FROM debited
    )
    SELECT id, digest, last4 FROM debited
""")


def reference(card: Row) -> str:
    """Return a payment's reference to a card: its last four characters, for people, and its id, for refunds."""
    return f"****{card['last4']} {card['id']}"


def card_id_of(reference: str) -> UUID | None:
    """Return the id of the card in a reference; None if the reference names no card of the hub."""
    mark, _, card_id = reference.partition(" ")
    try:
        return UUID(card_id) if mark.startswith("****") else None
    except ValueError:
        return None


async def _refuse(session: Session, redemptions: Sequence[GiftCardRedemption], currency: str) -> None:
    digests = [codes.digest(redemption.code) for redemption in redemptions]
    rows = await session.fetch(_BALANCES, digests=digests, currency=currency)
    balances = {row["digest"]: Money(row["balance_minor"], currency) for row in rows}
    refusals = Refusals()
    for redemption, digest in zip(redemptions, digests, strict=True):
        balance = balances.get(digest)
        message = CANNOT_BE_USED if balance is None else f"The balance of this gift card is {balance}."
        refusals.add(Code.PAYMENT_DECLINED, message, "payments", redemption.index, "token")
    unknown = any(digest not in balances for digest in digests)
    raise (GiftCardRefused if unknown else InsufficientBalance).of(refusals.problems)


_BALANCES = statement(f"""
    SELECT c.digest, c.balance_minor FROM gift_card c
    WHERE c.digest = ANY(:digests) AND c.currency = :currency AND {USABLE}
""")


async def undo_redemptions(session: Session, *, order_id: UUID, actor: str) -> None:
    """Credit the cards with all that was taken for an order that was not placed. Idempotent."""
    await session.run(_UNDO_REDEMPTIONS, order_id=order_id, actor=actor)


_UNDO_REDEMPTIONS = statement("""
    WITH entries AS (
        INSERT INTO gift_card_entry (card_id, kind, amount_minor, order_id, actor)
        SELECT card_id, 'GIVE_BACK', -sum(amount_minor), :order_id, :actor FROM gift_card_entry
        WHERE order_id = :order_id GROUP BY card_id HAVING sum(amount_minor) < 0 ORDER BY card_id
        ON CONFLICT (order_id, card_id) WHERE kind = 'GIVE_BACK' DO NOTHING RETURNING card_id, amount_minor
    ), locked AS (
        SELECT id, amount_minor FROM gift_card c JOIN entries e ON e.card_id = c.id ORDER BY id FOR NO KEY UPDATE OF c
    )
    UPDATE gift_card c SET balance_minor = c.balance_minor + l.amount_minor FROM locked l WHERE c.id = l.id
""")


async def lock_cards_of_order(session: Session, *, order_id: UUID) -> None:
    """Lock the cards that paid an order, so that the next statement sees all committed entries of them."""
    await session.run(_LOCK_CARDS, order_id=order_id)


_LOCK_CARDS = statement("""
    SELECT FROM gift_card WHERE id IN (SELECT card_id FROM gift_card_entry WHERE order_id = :order_id)
    ORDER BY id FOR NO KEY UPDATE
""")


async def refund(
    session: Session, *, order_id: UUID, card_id: UUID, amount_minor: int, operation_id: UUID, actor: str
) -> None:
    """Credit a card with money that an order took from it, also if it is blocked or expired. Once per operation.

    The caller has locked the order's cards. Errors: `InvalidState` for more than was taken.
    """
    row = await session.fetchrow(_TAKEN, order_id=order_id, card_id=card_id, operation_id=operation_id)
    assert row is not None
    if row["refunded"]:
        return
    if amount_minor > row["taken_minor"]:
        raise InvalidState("A refund to a gift card cannot exceed the amount that the order took from it.")
    await session.run(
        _REFUND,
        card_id=card_id,
        amount_minor=amount_minor,
        order_id=order_id,
        operation_id=operation_id,
        actor=actor,
    )


_TAKEN = statement("""
    SELECT coalesce(-sum(amount_minor), 0)::bigint AS taken_minor,
        coalesce(bool_or(operation_id = :operation_id), false) AS refunded
    FROM gift_card_entry WHERE order_id = :order_id AND card_id = :card_id
""")

_REFUND = statement(f"""
    WITH entry AS (
        INSERT INTO gift_card_entry (card_id, kind, amount_minor, order_id, operation_id, actor)
        VALUES (:card_id, 'REFUND', :amount_minor, :order_id, :operation_id, :actor)
    )
    UPDATE gift_card SET balance_minor = balance_minor + :amount_minor,
        expires_at = CASE WHEN expires_at IS NOT NULL
            THEN greatest(expires_at, now() + interval '{REFUND_TERM_DAYS} days') END
    WHERE id = :card_id
""")
