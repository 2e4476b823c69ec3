"""Attempts: what is being paid, committed before the provider is asked, ended exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from uriba.cart.events import CartOrdered, CartUpdated, cart_subject
from uriba.cart.models import CartStatus, FulfillmentMethod
from uriba.checkout.gateways import Answer, ChargeState, PaymentGateway, ProviderEvent
from uriba.checkout.models import AttemptStatus
from uriba.checkout.request import Tendered
from uriba.db import Row, Session
from uriba.db.statements import statement
from uriba.fulfillment.allocation import initial as parcels
from uriba.fulfillment.allocation.initial import Parcel
from uriba.inventory import holds, ledger
from uriba.inventory.holds import Held
from uriba.inventory.models import HoldStatus
from uriba.orders import placement
from uriba.orders.placement import Draft, Tender
from uriba.outbox import emit
from uriba.pricing import redemptions
from uriba.stored_value import points
from uriba.stored_value import tenders as stored_value


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """Money to take: with the hub's key of the charge where a provider takes it, without one for cash."""

    method: str
    amount_minor: int
    key: str | None
    token: str | None = None
    reference: str | None = None
    tendered_minor: int | None = None
    capture_once: bool = False


class Agreed(msgspec.Struct, frozen=True, kw_only=True):
    """All that an attempt needs to become an order, whoever finishes it."""

    draft: Draft
    parcels: tuple[Parcel, ...]
    charges: tuple[Charge, ...]
    capture: bool = True


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt as it stands."""

    id: UUID
    cart_id: UUID
    order_id: UUID
    status: AttemptStatus
    reason: str | None
    agreed: Agreed
    actor: str
    action: Mapping[str, Any] | None = None
    age_s: float = 0


async def begin_and_commit(
    session: Session,
    *,
    attempt_id: UUID,
    agreed: Agreed,
    actor: str,
    hold_term_s: int,
    look_after_s: float,
) -> Attempt:
    """Keep what was agreed, close the cart to changes, hold its stock, and commit.

    Errors: `LedgerRefused`.
    """
    draft = agreed.draft
    assert draft.cart_id is not None
    session.defer(_CLOSE_CART, attempt_id=attempt_id, cart_id=draft.cart_id)
    session.defer(
        _BEGIN,
        attempt_id=attempt_id,
        cart_id=draft.cart_id,
        order_id=draft.id,
        draft=msgspec.json.encode(agreed).decode(),
        actor=actor,
        look_after_s=look_after_s,
    )
    await holds.place_and_commit(
        session,
        owner_id=attempt_id,
        units=_units(agreed.parcels),
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


_CLOSE_CART = statement("UPDATE cart SET checkout_id = :attempt_id WHERE id = :cart_id")

_BEGIN = statement("""
    INSERT INTO checkout_attempt (id, cart_id, order_id, draft, actor, next_at)
    VALUES (:attempt_id, :cart_id, :order_id, :draft::jsonb, :actor, now() + make_interval(secs => :look_after_s))
""")


def _units(of: Sequence[Parcel]) -> list[Held]:
    """The units of parcels; what a till hands over may be of its shelf's safety stock, what it promises may not."""
    return [
        Held(
            line.variant_id,
            parcel.location_id,
            line.quantity,
            shelf=parcel.method is FulfillmentMethod.CARRY_OUT,
        )
        for parcel in of
        for line in parcel.lines
    ]


def charges(
    tenders: Sequence[Tendered], attempt_id: UUID, providers: Mapping[str, PaymentGateway]
) -> tuple[Charge, ...]:
    """Charges with keys of their own: the same attempt is the same charge, however often it is asked for."""
    return tuple(
        Charge(
            method=tender.method,
            amount_minor=tender.amount_minor,
            key=f"{attempt_id}-{index}" if tender.method in providers else None,
            token=tender.token,
            reference=tender.reference,
            tendered_minor=tender.tendered_minor,
            capture_once=tender.method in providers and not providers[tender.method].multicapture,
        )
        for index, tender in enumerate(tenders)
    )


async def load(session: Session, attempt_id: UUID, *, lock: bool = False) -> Attempt:
    """The attempt as it is now."""
    row = await session.fetchrow(
        "SELECT id, cart_id, order_id, status, reason, draft, actor, action, "
        "extract(epoch FROM now() - created_at)::float8 AS age_s FROM checkout_attempt WHERE id = $1"
        + (" FOR UPDATE" if lock else ""),
        attempt_id,
    )
    assert row is not None
    return Attempt(
        id=row["id"],
        cart_id=row["cart_id"],
        order_id=row["order_id"],
        status=AttemptStatus(row["status"]),
        reason=row["reason"],
        agreed=msgspec.convert(row["draft"], Agreed),
        actor=row["actor"],
        action=row["action"],
        age_s=row["age_s"],
    )


async def wait(
    session: Session, attempt_id: UUID, *, charge: int, action: Mapping[str, str], look_after_s: float
) -> None:
    """The customer has a step to take for this charge; look again by then."""
    await session.run(
        "UPDATE checkout_attempt SET action = $2::jsonb, next_at = now() + make_interval(secs => $3) "
        "WHERE id = $1 AND status = 'PENDING'",
        attempt_id,
        msgspec.json.encode({"charge": charge, **action}).decode(),
        look_after_s,
    )


async def complete_and_commit(session: Session, attempt: Attempt, answers: Sequence[Answer | None]) -> Row | None:
    """Make the order of a paid attempt and commit; its row. None where the attempt is not pending any more.

    Errors: `LedgerRefused` where the hold had ended and the stock is gone.
    """
    row = await session.fetchrow(_COMPLETE, attempt.id, _without_tokens(attempt))
    if row is None:
        return None
    data = {"status": CartStatus.ORDERED, "version": row["version"], "order": str(attempt.order_id)}
    emit(session, CartOrdered(cart_subject(attempt.cart_id), row["events"], data))
    tenders = [_tender(charge, answer) for charge, answer in zip(attempt.agreed.charges, answers, strict=True)]
    _heard(session, attempt, answers)
    placed = await place(session, attempt.agreed.draft, attempt.agreed.parcels, tenders=tenders, actor=attempt.actor)
    held = [Held(*units) for units in row["held"] or ()]
    moved = parcels.movements(attempt.agreed.parcels, held=held)
    await ledger.post_and_commit(session, moved, reference=f"order:{attempt.order_id}", actor=attempt.actor)
    return placed


# Of several callers one finds the attempt pending: that one gets the cart and what is left of the holds.
_COMPLETE = f"""
    WITH attempt AS (
        UPDATE checkout_attempt SET status = 'COMPLETED', ended_at = now(),
            draft = jsonb_set(draft, '{{charges}}', $2::jsonb)
        WHERE id = $1 AND status = 'PENDING' RETURNING id, cart_id
    ), ordered AS (
        UPDATE cart c SET status = 'ORDERED', checkout_id = NULL, version = version + 1, events = events + 1,
            updated_at = now()
        FROM attempt a WHERE c.id = a.cart_id RETURNING c.version, c.events
    ), held AS (
        {holds.END.format(owner="(SELECT id FROM attempt)", status="'SETTLED'")}
    )
    SELECT version, events,
        (SELECT json_agg(json_build_array(variant_id, location_id, quantity)) FROM held) AS held
    FROM ordered
"""


def _tender(charge: Charge, answer: Answer | None) -> Tender:
    return placement.tender(
        charge.method,
        charge.amount_minor,
        answer.reference if answer else charge.reference,
        key=charge.key,
        capture_once=charge.capture_once,
        captured=answer is None or answer.state is ChargeState.CAPTURED,
        tendered_minor=charge.tendered_minor,
    )


def _heard(session: Session, attempt: Attempt, answers: Sequence[Answer | None]) -> None:
    """What the providers answered is heard: a webhook of the same brings nothing new."""
    found = [(c, a) for c, a in zip(attempt.agreed.charges, answers, strict=True) if a is not None]
    if found:
        session.defer(
            "INSERT INTO provider_event (provider, event, charge, kind) "
            "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) ON CONFLICT DO NOTHING",
            [charge.method for charge, _ in found],
            [answer.event for _, answer in found],
            [charge.key for charge, _ in found],
            [answer.state for _, answer in found],
        )


async def place(session: Session, draft: Draft, of: Sequence[Parcel], *, tenders: Sequence[Tender], actor: str) -> Row:
    """Write the order, and its fulfillments with what comes last: its stock, which is the caller's next step."""
    completed = all(parcel.status == "HANDED_OVER" for parcel in of)
    placed = await placement.place(session, draft, tenders=tenders, completed=completed, actor=actor)
    parcels.allocate(session, order_id=draft.id, parcels=of)
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
    """Decide that a pending attempt will not become an order; False where it was decided otherwise meanwhile."""
    found = await session.fetchval(
        "UPDATE checkout_attempt SET status = 'ENDING' WHERE id = $1 AND status IN ('PENDING', 'ENDING') "
        "RETURNING true",
        attempt_id,
    )
    return bool(found)


async def give_up(session: Session, attempt_id: UUID, *, status: AttemptStatus, reason: str) -> Attempt:
    """End an attempt without an order: stock back, cart open again. Does nothing where it has ended already."""
    attempt = await load(session, attempt_id, lock=True)
    if attempt.status not in (AttemptStatus.PENDING, AttemptStatus.ENDING):
        return attempt
    await _end(session, attempt, status, reason)
    row = await session.fetchrow(
        "UPDATE cart SET checkout_id = NULL, events = events + 1 WHERE id = $1 RETURNING version, events, status",
        attempt.cart_id,
    )
    assert row is not None
    state = {"status": row["status"], "version": row["version"]}
    emit(session, CartUpdated(cart_subject(attempt.cart_id), row["events"], state))
    await redemptions.give_back(session, order_id=attempt.order_id)
    if any(charge.method in stored_value.METHODS for charge in attempt.agreed.charges):
        await stored_value.give_back(session, order_id=attempt.order_id, actor=attempt.actor)
    released = await holds.end(session, owner_id=attempt.id, status=HoldStatus.RELEASED)
    if released:
        movements = holds.release(released)
        await ledger.post(session, movements, reference=f"cart:{attempt.cart_id}", actor=attempt.actor)
    return attempt


async def _end(session: Session, attempt: Attempt, status: AttemptStatus, reason: str | None) -> None:
    await session.run(
        "UPDATE checkout_attempt SET status = $2, reason = $3, ended_at = now(), "
        "draft = jsonb_set(draft, '{charges}', $4::jsonb) WHERE id = $1",
        attempt.id,
        status,
        reason,
        _without_tokens(attempt),
    )


def _without_tokens(attempt: Attempt) -> str:
    """The charges of an attempt that ends: a token has done its work then, and is not kept."""
    charges_left = [msgspec.structs.replace(charge, token=None) for charge in attempt.agreed.charges]
    return msgspec.json.encode(charges_left).decode()


async def heard(session: Session, provider: str, event: ProviderEvent) -> bool:
    """Keep what a provider tells; False where it was heard before."""
    new = await session.fetchval(
        "INSERT INTO provider_event (provider, event, charge, kind) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT DO NOTHING RETURNING true",
        provider,
        event.event,
        event.key,
        event.kind,
    )
    return bool(new)


async def of_charge(session: Session, key: str) -> Row | None:
    """The attempt of a charge's key: its id, its order's, and whether it is `open`."""
    try:
        attempt_id = UUID(key[:36])
    except ValueError:
        return None
    return await session.fetchrow(
        "SELECT id, order_id, status IN ('PENDING', 'ENDING') AS open FROM checkout_attempt WHERE id = $1", attempt_id
    )


async def due(session: Session, *, limit: int) -> list[UUID]:
    """Attempts that nobody has finished in time."""
    rows = await session.fetch(
        "SELECT id FROM checkout_attempt WHERE status IN ('PENDING', 'ENDING') AND next_at <= now() "
        "ORDER BY next_at LIMIT $1",
        limit,
    )
    return [row["id"] for row in rows]


async def postpone(session: Session, attempt_id: UUID, *, by_s: float) -> None:
    """Look again later."""
    await session.run(
        "UPDATE checkout_attempt SET next_at = now() + make_interval(secs => $2) WHERE id = $1",
        attempt_id,
        by_s,
    )
