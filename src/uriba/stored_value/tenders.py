"""Tenders from the hub's own ledgers: a gift card or points pay a part of an order, in the order's own transaction.

Gift cards are locked before points, cards by their id: whoever pays with both takes them in this order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from uriba.core.errors import Invalid
from uriba.db import Session
from uriba.stored_value import gift_cards, points
from uriba.stored_value.gift_cards import Redeem

GIFT_CARD = "GIFT_CARD"
POINTS = "POINTS"
METHODS = (GIFT_CARD, POINTS)

CODE_SIZE_MAX = 64


@dataclass(frozen=True, slots=True)
class Debit:
    """A payment from a ledger, in minor units; `index`: its place among the payments, `token`: a gift card's code."""

    index: int
    method: str
    amount_minor: int
    token: str | None = None


def check(method: str, token: str | None, *path: str | int) -> None:
    """Refuse a payment that cannot be meant; `path` is the payment's. Pure. Errors: `Invalid`."""
    if method == GIFT_CARD and not (token and token.strip()):
        raise Invalid("A gift card pays with its code as the token.", *path, "token")
    if method == GIFT_CARD and token is not None and len(token) > CODE_SIZE_MAX:
        raise Invalid("This is no gift card's code.", *path, "token")
    if method == POINTS and token is not None:
        raise Invalid("Points need no token: they are the customer's.", *path, "token")


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
    """Take what these payments say, all or none; a reference for each, by which `refund` finds the ledger.

    Errors: `CardRefused`, `NotEnough`, `TenderRefused`, `Invalid` (points), with the payment's path; the caller's
    transaction has to end then.
    """
    references: dict[int, str] = {}
    cards = [Redeem(d.index, d.token or "", d.amount_minor) for d in debits if d.method == GIFT_CARD]
    amounts = {d.index: d.amount_minor for d in debits if d.method == POINTS}
    if cards:
        references |= await gift_cards.redeem(session, order_id=order_id, currency=currency, wanted=cards, actor=actor)
    if amounts:
        references |= await points.redeem(
            session, order_id=order_id, channel_id=channel_id, customer_id=customer_id, amounts=amounts, actor=actor
        )
    return [references[d.index] for d in debits]


async def give_back(session: Session, *, order_id: UUID, actor: str) -> None:
    """Undo all that was taken for an order that was not made. Harmless to say twice, and where nothing was taken."""
    await gift_cards.give_back(session, order_id=order_id, actor=actor)
    await points.give_back(session, order_id=order_id, actor=actor)


def kept_here(method: str, reference: str | None) -> bool:
    """Whether a payment was taken from a ledger of the hub's: a till may tell of a card that only it knows."""
    if method == GIFT_CARD:
        return reference is not None and gift_cards.card_of(reference) is not None
    return method == POINTS and reference is not None and reference.endswith(points.UNIT)


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
    """Give back to where a payment was taken from, once per operation.

    Errors: `InvalidState` where it is more than was taken, or was taken elsewhere.
    """
    # Whichever payment goes back first: all of the order's cards are locked as `debit` does, and points after them.
    await gift_cards.lock(session, order_id=order_id)
    if method == POINTS:
        await points.refund(
            session, order_id=order_id, amount_minor=amount_minor, operation_id=operation_id, actor=actor
        )
        return
    assert method == GIFT_CARD
    card_id = gift_cards.card_of(reference)
    if card_id is None:
        raise Invalid("This payment names no gift card of the hub's.", "reference")
    await gift_cards.refund(
        session,
        order_id=order_id,
        card_id=card_id,
        amount_minor=amount_minor,
        operation_id=operation_id,
        actor=actor,
    )
