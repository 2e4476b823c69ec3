"""Tenders of stored value: gift cards and points are debited in the transaction that agrees on the order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from uriba.checkout.request import CheckedTender
from uriba.db import Session
from uriba.orders.placement import OrderDraft
from uriba.stored_value import tenders
from uriba.stored_value.tenders import Debit


async def debit(
    session: Session, draft: OrderDraft, checked: Sequence[CheckedTender], *, actor: str
) -> list[CheckedTender]:
    """Debit the gift cards and points of an order; return all tenders, these with the references for refunds.

    The codes of gift cards are not stored. Errors: `TenderRefused`, `Invalid`.
    """
    debits = [Debit(n, t.method, t.amount_minor, t.token) for n, t in enumerate(checked) if t.method in tenders.METHODS]
    if not debits:
        return list(checked)
    debited = await tenders.debit(
        session,
        order_id=draft.id,
        channel_id=draft.channel_id,
        customer_id=draft.customer_id,
        currency=draft.currency,
        debits=debits,
        actor=actor,
    )
    references = {debit.index: reference for debit, reference in zip(debits, debited, strict=True)}
    return [replace(t, reference=references[n], token=None) if n in references else t for n, t in enumerate(checked)]
