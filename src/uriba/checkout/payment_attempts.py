"""Payment attempts: checkouts that wait for a payment provider. Committed before the provider is called, ended once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from uriba.cart import carts
from uriba.cart.enums import CartStatus, FulfillmentMethod
from uriba.cart.events import CartOrdered, cart_subject
from uriba.checkout.enums import AttemptStatus
from uriba.checkout.gateways import ChargeResult, ChargeState, PaymentGateway, ProviderEvent
from uriba.checkout.request import CheckedTender
from uriba.db import Row, Session
from uriba.db.statements import fragment, statement
from uriba.fulfillment.allocation import initial
from uriba.fulfillment.allocation.initial import InitialFulfillment
from uriba.inventory import holds, ledger
from uriba.inventory.enums import HoldStatus
from uriba.inventory.holds import HeldUnits
from uriba.orders import placement
from uriba.orders.placement import OrderDraft, Tender
from uriba.orders.rows import OrderRow
from uriba.outbox import emit
from uriba.pricing import redemptions
from uriba.stored_value import points
from uriba.stored_value import tenders as stored_value


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """Money to charge. `key`: the hub's key of the charge at its provider; None for cash and other own tenders."""

    method: str
    amount_minor: int
    key: str | None
    token: str | None = None
    reference: str | None = None
    tendered_minor: int | None = None
    capture_once: bool = False


class AgreedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an attempt needs to become an order, so that any process can finish it. Stored as JSON."""

    draft: OrderDraft
    fulfillments: tuple[InitialFulfillment, ...] = msgspec.field(name="parcels")
    charges: tuple[Charge, ...]
    capture: bool = True


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt as it is now. `action`: the step that its customer has to take; `age_s`: seconds since it began."""

    id: UUID
    cart_id: UUID
    order_id: UUID
    status: AttemptStatus
    reason: str | None
    agreed: AgreedOrder
    actor: str
    action: Mapping[str, Any] | None = None
    age_s: float = 0


async def begin_and_commit(
    session: Session,
    *,
    attempt_id: UUID,
    agreed: AgreedOrder,
    actor: str,
    hold_term_s: int,
    next_check_s: float,
) -> Attempt:
    """Write the attempt, close the cart to changes, hold its stock, and commit.

    Errors: `LedgerRefused`.
    """
    draft = agreed.draft
    assert draft.cart_id is not None
    carts.close_for_payment(session, cart_id=draft.cart_id, attempt_id=attempt_id)
    session.defer(
        _BEGIN,
        attempt_id=attempt_id,
        cart_id=draft.cart_id,
        order_id=draft.id,
        draft=msgspec.json.encode(agreed).decode(),
        actor=actor,
        next_check_s=next_check_s,
    )
    await holds.place_and_commit(
        session,
        owner_id=attempt_id,
        units=_units(agreed.fulfillments),
        term_s=hold_term_s,
        reference=f"cart:{draft.cart_id}",
        actor=actor,
    )
    return Attempt(
        id=attempt_id,
        cart_id=draft.cart_id,
        order_id=draft.id,
        status=AttemptStatus.PENDING,
        reason=None,
        agreed=agreed,
        actor=actor,
    )


_BEGIN = statement("""
    INSERT INTO checkout_attempt (id, cart_id, order_id, draft, actor, next_at)
    VALUES (:attempt_id, :cart_id, :order_id, :draft::jsonb, :actor, now() + make_interval(secs => :next_check_s))
""")


def _units(fulfillments: Sequence[InitialFulfillment]) -> list[HeldUnits]:
    """Return the units to hold. Only goods that a till hands over may take safety stock."""
    return [
        HeldUnits(
            line.variant_id,
            fulfillment.location_id,
            line.quantity,
            at_till=fulfillment.method is FulfillmentMethod.CARRY_OUT,
        )
        for fulfillment in fulfillments
        for line in fulfillment.lines
    ]


def charges(
    tenders: Sequence[CheckedTender], attempt_id: UUID, gateways: Mapping[str, PaymentGateway]
) -> tuple[Charge, ...]:
    """Return the charges of an attempt. Their keys derive from its id, so repeated calls of a gateway charge once."""
    return tuple(
        Charge(
            method=tender.method,
            amount_minor=tender.amount_minor,
            key=f"{attempt_id}-{index}" if tender.method in gateways else None,
            token=tender.token,
            reference=tender.reference,
            tendered_minor=tender.tendered_minor,
            capture_once=tender.method in gateways and not gateways[tender.method].multicapture,
        )
        for index, tender in enumerate(tenders)
    )


async def load(session: Session, attempt_id: UUID, *, lock: bool = False) -> Attempt:
    """Return the attempt, optionally locked."""
    row = await session.fetchrow(_LOAD_AND_LOCK if lock else _LOAD, attempt_id=attempt_id)
    assert row is not None
    return Attempt(
        id=row["id"],
        cart_id=row["cart_id"],
        order_id=row["order_id"],
        status=AttemptStatus(row["status"]),
        reason=row["reason"],
        agreed=msgspec.convert(row["draft"], AgreedOrder),
        actor=row["actor"],
        action=row["action"],
        age_s=row["age_s"],
    )


_ATTEMPT = fragment("""
    SELECT id, cart_id, order_id, status, reason, draft, actor, action,
        extract(epoch FROM now() - created_at)::float8 AS age_s
    FROM checkout_attempt WHERE id = :attempt_id
""")
_LOAD = statement(f"{_ATTEMPT}")
_LOAD_AND_LOCK = statement(f"{_ATTEMPT} FOR UPDATE")


async def wait_for_customer(
    session: Session, attempt_id: UUID, *, charge: int, action: Mapping[str, str], next_check_s: float
) -> None:
    """Record the step that the customer has to take for a charge, and when to check again."""
    await session.run(
        _WAIT_FOR_CUSTOMER,
        attempt_id=attempt_id,
        action=msgspec.json.encode({"charge": charge, **action}).decode(),
        next_check_s=next_check_s,
    )


_WAIT_FOR_CUSTOMER = statement("""
    UPDATE checkout_attempt SET action = :action::jsonb, next_at = now() + make_interval(secs => :next_check_s)
    WHERE id = :attempt_id AND status = 'PENDING'
""")


async def complete_and_commit(
    session: Session, attempt: Attempt, results: Sequence[ChargeResult | None]
) -> OrderRow | None:
    """Place the order of a paid attempt and commit; return its row. None where the attempt is not pending any more.

    Errors: `LedgerRefused` where the hold has expired and the stock is gone.
    """
    row = await session.fetchrow(_COMPLETE, attempt_id=attempt.id, charges=_charges_without_tokens(attempt))
    if row is None:
        return None
    data = {"status": CartStatus.ORDERED, "version": row["version"], "order": str(attempt.order_id)}
    emit(session, CartOrdered(cart_subject(attempt.cart_id), row["events"], data))
    tenders = [_tender(charge, result) for charge, result in zip(attempt.agreed.charges, results, strict=True)]
    _record_results(session, attempt, results)
    placed = await place(
        session, attempt.agreed.draft, attempt.agreed.fulfillments, tenders=tenders, actor=attempt.actor
    )
    held = [HeldUnits(*units) for units in row["held"] or ()]
    moved = initial.stock_movements(attempt.agreed.fulfillments, held=held)
    await ledger.post_and_commit(session, moved, reference=f"order:{attempt.order_id}", actor=attempt.actor)
    return placed


# Of concurrent callers only one finds the attempt pending; it gets the cart and what is left of the holds.
_COMPLETE = statement(f"""
    WITH attempt AS (
        UPDATE checkout_attempt SET status = 'COMPLETED', ended_at = now(),
            draft = jsonb_set(draft, '{{charges}}', :charges::jsonb)
        WHERE id = :attempt_id AND status = 'PENDING' RETURNING id, cart_id
    ), ordered AS (
        {carts.ORDER_PAID_CART.format(attempt="attempt")}
    ), held AS (
        {holds.END_HOLDS.format(owner="(SELECT id FROM attempt)", status="'SETTLED'")}
    )
    SELECT version, events,
        (SELECT json_agg(json_build_array(variant_id, location_id, quantity)) FROM held) AS held
    FROM ordered
""")


def _tender(charge: Charge, result: ChargeResult | None) -> Tender:
    return placement.new_tender(
        charge.method,
        charge.amount_minor,
        result.reference if result else charge.reference,
        key=charge.key,
        capture_once=charge.capture_once,
        captured=result is None or result.state is ChargeState.CAPTURED,
        tendered_minor=charge.tendered_minor,
    )


def _record_results(session: Session, attempt: Attempt, results: Sequence[ChargeResult | None]) -> None:
    """Record the results as received events, so that webhooks about the same states count as repeated."""
    answered = [(c, a) for c, a in zip(attempt.agreed.charges, results, strict=True) if a is not None]
    if answered:
        session.defer(
            _RECORD_RESULTS,
            providers=[charge.method for charge, _ in answered],
            events=[result.event for _, result in answered],
            charges=[charge.key for charge, _ in answered],
            kinds=[result.state for _, result in answered],
        )


_RECORD_RESULTS = statement("""
    INSERT INTO provider_event (provider, event, charge, kind)
    SELECT * FROM unnest(:providers::text[], :events::text[], :charges::text[], :kinds::text[])
    ON CONFLICT DO NOTHING
""")


async def place(
    session: Session,
    draft: OrderDraft,
    fulfillments: Sequence[InitialFulfillment],
    *,
    tenders: Sequence[Tender],
    actor: str,
) -> OrderRow:
    """Write the order and its points; its fulfillments are deferred until the caller posts its stock."""
    completed = all(fulfillment.status == "HANDED_OVER" for fulfillment in fulfillments)
    placed = await placement.place(session, draft, tenders=tenders, completed=completed, actor=actor)
    initial.create(session, order_id=draft.id, fulfillments=fulfillments)
    if draft.rewards:
        await points.earn(
            session,
            order_id=draft.id,
            customer_id=draft.customer_id,
            channel_id=draft.channel_id,
            currency=draft.currency,
            total_minor=draft.total_minor,
            money_minor=sum(t.amount_minor for t in tenders if t.method not in stored_value.METHODS),
            actor=actor,
        )
    return placed


async def start_ending(session: Session, attempt_id: UUID) -> bool:
    """Decide that a pending attempt will not become an order. False where it has ended already."""
    return bool(await session.fetchval(_START_ENDING, attempt_id=attempt_id))


_START_ENDING = statement("""
    UPDATE checkout_attempt SET status = 'ENDING'
    WHERE id = :attempt_id AND status IN ('PENDING', 'ENDING') RETURNING true
""")


async def end_without_order(session: Session, attempt_id: UUID, *, status: AttemptStatus, reason: str) -> Attempt:
    """End an attempt without an order: release its stock, reopen its cart. Nothing where it has ended already."""
    attempt = await load(session, attempt_id, lock=True)
    if attempt.status not in (AttemptStatus.PENDING, AttemptStatus.ENDING):
        return attempt
    await _end(session, attempt, status, reason)
    await carts.reopen(session, attempt.cart_id)
    await redemptions.reverse(session, order_id=attempt.order_id)
    if any(charge.method in stored_value.METHODS for charge in attempt.agreed.charges):
        await stored_value.undo_debits(session, order_id=attempt.order_id, actor=attempt.actor)
    released = await holds.end(session, owner_id=attempt.id, status=HoldStatus.RELEASED)
    if released:
        movements = holds.release(released)
        await ledger.post(session, movements, reference=f"cart:{attempt.cart_id}", actor=attempt.actor)
    return attempt


async def _end(session: Session, attempt: Attempt, status: AttemptStatus, reason: str | None) -> None:
    await session.run(
        _END, attempt_id=attempt.id, status=status, reason=reason, charges=_charges_without_tokens(attempt)
    )


_END = statement("""
    UPDATE checkout_attempt SET status = :status, reason = :reason, ended_at = now(),
        draft = jsonb_set(draft, '{charges}', :charges::jsonb)
    WHERE id = :attempt_id
""")


def _charges_without_tokens(attempt: Attempt) -> str:
    """Return the charges of an ending attempt as JSON. Tokens are not needed any more, so they are not kept."""
    charges_left = [msgspec.structs.replace(charge, token=None) for charge in attempt.agreed.charges]
    return msgspec.json.encode(charges_left).decode()


async def record_event(session: Session, provider: str, event: ProviderEvent) -> bool:
    """Record an event of a provider. False where it was received before."""
    new = await session.fetchval(_RECORD_EVENT, provider=provider, event=event.event, charge=event.key, kind=event.kind)
    return bool(new)


_RECORD_EVENT = statement("""
    INSERT INTO provider_event (provider, event, charge, kind) VALUES (:provider, :event, :charge, :kind)
    ON CONFLICT DO NOTHING RETURNING true
""")


async def of_charge(session: Session, key: str) -> Row | None:
    """Return the attempt of a charge's key: its id, its order's id, and whether it is `open`."""
    try:
        attempt_id = UUID(key[:36])
    except ValueError:
        return None
    return await session.fetchrow(_OF_CHARGE, attempt_id=attempt_id)


_OF_CHARGE = statement("""
    SELECT id, order_id, status IN ('PENDING', 'ENDING') AS open FROM checkout_attempt WHERE id = :attempt_id
""")


async def due(session: Session, *, limit: int) -> list[UUID]:
    """Return the ids of unfinished attempts whose time to be checked has come."""
    return [row["id"] for row in await session.fetch(_DUE, limit=limit)]


_DUE = statement("""
    SELECT id FROM checkout_attempt WHERE status IN ('PENDING', 'ENDING') AND next_at <= now()
    ORDER BY next_at LIMIT :limit
""")


async def postpone(session: Session, attempt_id: UUID, *, by_s: float) -> None:
    """Put the next check of an attempt off."""
    await session.run(_POSTPONE, attempt_id=attempt_id, by_s=by_s)


_POSTPONE = statement("""
    UPDATE checkout_attempt SET next_at = now() + make_interval(secs => :by_s) WHERE id = :attempt_id
""")
