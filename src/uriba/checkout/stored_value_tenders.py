"""Balances: what customers pay from the hub's own ledgers is taken with what is agreed, in its transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from uriba.checkout.request import Tendered
from uriba.db import Session
from uriba.orders.placement import OrderDraft
from uriba.stored_value import tenders
from uriba.stored_value.tenders import Debit


async def taken(session: Session, draft: OrderDraft, given: Sequence[Tendered], *, actor: str) -> list[Tendered]:
    """Take what gift cards and points pay of an order; the tenders, with the references by which it can go back.

    A code has done its work then, and is kept nowhere. Errors: `TenderRefused`, `Invalid`.
    """
    debits = [Debit(n, t.method, t.amount_minor, t.token) for n, t in enumerate(given) if t.method in tenders.METHODS]
    if not debits:
        return list(given)
    found = await tenders.debit(
        session,
        order_id=draft.id,
        channel_id=draft.channel_id,
        customer_id=draft.customer_id,
        currency=draft.currency,
        debits=debits,
        actor=actor,
    )
    references = {debit.index: reference for debit, reference in zip(debits, found, strict=True)}
    return [replace(t, reference=references[n], token=None) if n in references else t for n, t in enumerate(given)]
