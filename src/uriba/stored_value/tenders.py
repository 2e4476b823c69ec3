"""Tenders of stored value: a gift card or points pay a part of an order, in the order's own transaction.

Lock order: gift cards by id, then points. Every function that needs both locks them in this order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from uriba.core.errors import Invalid
from uriba.db import Session
from uriba.stored_value import gift_cards, points
from uriba.stored_value.gift_cards import GiftCardRedemption

GIFT_CARD = "GIFT_CARD"
POINTS = "POINTS"
METHODS = (GIFT_CARD, POINTS)

CODE_SIZE_MAX = 64


@dataclass(frozen=True, slots=True)
class Debit:
    """An amount to take from stored value, in minor units.

    `index`: its position among the order's payments; `token`: the code, for a gift card.
    """

    index: int
    method: str
    amount_minor: int
    token: str | None = None


def check(method: str, token: str | None, *path: str | int) -> None:
    """Check that a payment's token fits its method. No I/O. `path`: the payment's. Errors: `Invalid`."""
    if method == GIFT_CARD and not (token and token.strip()):
        raise Invalid("A gift card payment needs the card's code as its token.", *path, "token")
    if method == GIFT_CARD and token is not None and len(token) > CODE_SIZE_MAX:
        raise Invalid(f"A gift card code has at most {CODE_SIZE_MAX} characters.", *path, "token")
    if method == POINTS and token is not None:
        raise Invalid("Points take no token: they belong to the order's customer.", *path, "token")


async def debit(
    session: Session,
    *,
    order_id: UUID,
    channel_id: int,
    customer_id: UUID | None,
    currency: str,
    debits: Sequence[Debit],
    actor: str,
) -> list[str]:
    """Take these amounts, all or none; return a reference for each, which `refund` uses to find the ledger.

    Errors, with the payment's path: `GiftCardRefused`, `InsufficientBalance`, `TenderRefused`, `Invalid` (points). The
    caller must then roll back its transaction.
    """
    references: dict[int, str] = {}
    redemptions = [
        GiftCardRedemption(debit.index, debit.token or "", debit.amount_minor)
        for debit in debits
        if debit.method == GIFT_CARD
    ]
    amounts = {debit.index: debit.amount_minor for debit in debits if debit.method == POINTS}
    if redemptions:
        references |= await gift_cards.redeem(
            session, order_id=order_id, currency=currency, redemptions=redemptions, actor=actor
        )
    if amounts:
        references |= await points.redeem(
            session, order_id=order_id, channel_id=channel_id, customer_id=customer_id, amounts=amounts, actor=actor
        )
    return [references[debit.index] for debit in debits]


async def undo_debits(session: Session, *, order_id: UUID, actor: str) -> None:
    """Credit all that was taken for an order that was not placed. Idempotent; does nothing if nothing was taken."""
    await gift_cards.undo_redemptions(session, order_id=order_id, actor=actor)
    await points.undo_redemptions(session, order_id=order_id, actor=actor)


def is_in_ledger(method: str, reference: str | None) -> bool:
    """Return whether a payment was taken from one of the hub's ledgers. A till may report cards of another system."""
    if method == GIFT_CARD:
        return reference is not None and gift_cards.card_id_of(reference) is not None
    return method == POINTS and reference is not None and reference.endswith(points.REFERENCE_SUFFIX)


async def refund(
    session: Session,
    *,
    order_id: UUID,
    method: str,
    reference: str,
    amount_minor: int,
    operation_id: UUID,
    actor: str,
) -> None:
    """Credit an amount to the gift card or points that paid it, once per operation.

    Errors: `InvalidState` for more than was taken; `Invalid` for a payment that names no gift card of the hub.
    """
    # Lock all cards of the order first, as `debit` does, whichever payment is refunded first; then the points.
    await gift_cards.lock_cards_of_order(session, order_id=order_id)
    if method == POINTS:
        await points.refund(
            session, order_id=order_id, amount_minor=amount_minor, operation_id=operation_id, actor=actor
        )
        return
    assert method == GIFT_CARD
    card_id = gift_cards.card_id_of(reference)
    if card_id is None:
        raise Invalid("This payment does not refer to one of the hub's gift cards.", "reference")
    await gift_cards.refund(
        session,
        order_id=order_id,
        card_id=card_id,
        amount_minor=amount_minor,
        operation_id=operation_id,
        actor=actor,
    )
