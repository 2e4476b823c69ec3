"""Completion: a cart becomes an order.

Cash at a till is one transaction. With a payment provider it is two, around the provider's call: the first keeps what
was agreed, the charge's key and the stock; the second makes the order. This module therefore begins and ends
transactions itself, which only edges do elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from uriba.cart import carts
from uriba.cart.events import CartOrdered, cart_subject
from uriba.cart.models import CartStatus, FulfillmentMethod
from uriba.cart.view import CartView
from uriba.catalog.models import Capture
from uriba.checkout import order_draft, payment_attempts, request, stored_value_tenders
from uriba.checkout.charges import ActionNeeded, Charging
from uriba.checkout.errors import PaymentActionNeeded, PaymentDeclined, PaymentPending
from uriba.checkout.gateways import Answer, Declined, GatewayUnreachable, PaymentGateway, ProviderEvent
from uriba.checkout.gateways.port import REFUND_FAILED
from uriba.checkout.models import AttemptStatus
from uriba.checkout.order_draft import Plan
from uriba.checkout.payment_attempts import Agreed, Attempt
from uriba.checkout.request import CheckoutRequest, Tendered
from uriba.checkout.settlement import Settlement
from uriba.config import Settings
from uriba.core.actor import Actor
from uriba.core.errors import DomainError
from uriba.core.ids import new_id
from uriba.db import Database, Row, Session, idempotency
from uriba.db.idempotency import Call, Replayed
from uriba.fulfillment.allocation import initial
from uriba.inventory import holds, ledger
from uriba.inventory.errors import LedgerRefused, OutOfStock, Refusal
from uriba.orders import payment_operations, placement, queries
from uriba.outbox import emit

PLANS_MAX = 5
"""How often a checkout plans again because somebody took what it had planned with."""

LOST_ANSWER = "The payment provider has not answered yet. Ask again with the same key; nothing is charged twice."

UNANSWERED = "The payment provider did not answer in time."

UNCONFIRMED = "The payment was not confirmed in time."

SOLD_MEANWHILE = "The goods were sold while the payment took too long; nothing was charged."

Before = Callable[[Session], Awaitable[None]]

log = structlog.get_logger()


class PlanRefused(Exception):
    """The ledger refused what a plan wanted of it: somebody was faster."""

    def __init__(self, made: Plan, channel_id: int, refusals: Sequence[Refusal]) -> None:
        self.plan = made
        self.channel_id = channel_id
        self.refusals = refusals
        super().__init__("somebody was faster")


@dataclass(frozen=True, slots=True)
class Begun:
    """What the first transaction came to: an order that is placed, or one that is being paid, or was before."""

    order_id: UUID
    attempt: Attempt | None = None
    placed: Row | None = None


@dataclass(frozen=True, slots=True)
class Checkout:
    """The checkout of one hub: its database, its settings and the providers it knows."""

    database: Database
    settings: Settings
    gateways: Mapping[str, PaymentGateway]

    @property
    def charging(self) -> Charging:
        return Charging(self.gateways, self.settings.gateway_timeout_s)

    @property
    def settlement(self) -> Settlement:
        return Settlement(self.database, self.charging)

    async def complete(self, *, actor: Actor, call: Call, asked: CheckoutRequest, before: Before | None = None) -> Row:
        """The order that the cart became, now or earlier with the same key. `before`: what goes first in the
        transaction that takes the cart.

        Errors: those of `before`, `request` and `plan`, `CartNotFound`, `CartNotActive`, `OutOfStock`,
        `PaymentDeclined`, `PaymentPending`.
        """
        by_provider = any(payment.method in self.gateways for payment in asked.payments)
        order_id, attempt_id = new_id(), new_id() if by_provider else None

        async def work(session: Session) -> Begun:
            if before is not None:
                await before(session)
            return await self._begin_and_commit(session, order_id, attempt_id, actor, asked)

        for _ in range(PLANS_MAX):
            try:
                answer = {"order": str(order_id), "attempt": str(attempt_id) if attempt_id else None}
                begun = await idempotency.once(self.database, call, work, answer=answer)
                break
            except PlanRefused as refused:
                if await self._freed():
                    continue
                if (refusal := await self._refusal(refused)) is not None:
                    raise refusal from refused
            except OutOfStock:
                if not await self._freed():
                    raise
        else:
            raise DomainError("Too many customers want this at once; please try again.", "cartId")
        if isinstance(begun, Replayed):
            begun = await self._begun_before(**begun.answer)
        placed = begun.placed
        if begun.attempt is not None:
            placed = await self.pay(begun.attempt)
        if placed is not None:
            return placed
        async with self.database.reading() as session:
            return await queries.of_checkout(session, begun.order_id)

    async def _freed(self) -> bool:
        """Whether holds had ended whose units were not put back yet: what a sweep tidies is over at once for buyers."""
        async with self.database.transaction() as session:
            return await holds.expire(session) > 0

    async def _begin_and_commit(
        self, session: Session, order_id: UUID, attempt_id: UUID | None, actor: Actor, asked: CheckoutRequest
    ) -> Begun:
        """The first transaction: the whole checkout where no provider takes part."""
        reached = request.contact(asked)
        status = CartStatus.ORDERED if attempt_id is None else CartStatus.ACTIVE
        cart = await carts.lock(session, cart_id=asked.cart_id, actor=actor, status=status)
        tenders = request.tendered(asked, currency=cart.terms.currency, actor=actor, gateways=self.gateways)
        made = await order_draft.make(session, order_id=order_id, cart=cart, actor=actor, contact=reached)
        total = made.draft.total_minor
        request.check_totals(asked, tenders, total_minor=total, currency=cart.terms.currency)
        tenders = await stored_value_tenders.taken(session, made.draft, tenders, actor=actor.label)
        try:
            if attempt_id is None:
                return Begun(order_id, placed=await self._place_and_commit(session, cart, made, tenders, actor))
            return Begun(
                order_id, attempt=await self._agree_and_commit(session, attempt_id, cart, made, tenders, actor)
            )
        except LedgerRefused as refused:
            raise PlanRefused(made, cart.priced_in_id, refused.refusals) from refused

    async def _begun_before(self, order: str, attempt: str | None) -> Begun:
        """Return what a replayed checkout had begun."""
        if attempt is None:
            return Begun(UUID(order))
        async with self.database.reading() as session:
            return Begun(UUID(order), attempt=await payment_attempts.load(session, UUID(attempt)))

    async def _place_and_commit(
        self, session: Session, cart: CartView, made: Plan, tenders: list[Tendered], actor: Actor
    ) -> Row:
        data = {"status": cart.status, "version": cart.version, "order": str(made.draft.id)}
        emit(session, CartOrdered(cart_subject(cart.id), cart.events, data))
        taken = [
            placement.tender(t.method, t.amount_minor, t.reference, tendered_minor=t.tendered_minor) for t in tenders
        ]
        placed = await payment_attempts.place(session, made.draft, made.parcels, tenders=taken, actor=actor.label)
        moved = initial.movements(made.parcels)
        await ledger.post_and_commit(session, moved, reference=f"order:{made.draft.id}", actor=actor.label)
        return placed

    async def _agree_and_commit(
        self,
        session: Session,
        attempt_id: UUID,
        cart: CartView,
        made: Plan,
        tenders: list[Tendered],
        actor: Actor,
    ) -> Attempt:
        emit(session, carts.updated_event(cart))
        agreed = Agreed(
            draft=made.draft,
            parcels=made.parcels,
            charges=payment_attempts.charges(tenders, attempt_id, self.gateways),
            capture=cart.capture == Capture.AT_CHECKOUT,
        )
        return await payment_attempts.begin_and_commit(
            session,
            attempt_id=attempt_id,
            agreed=agreed,
            actor=actor.label,
            hold_term_s=self.settings.hold_term_s,
            # Whoever asked still waits for the provider until then.
            look_after_s=self.settings.gateway_timeout_s + 5,
        )

    async def _refusal(self, refused: PlanRefused) -> DomainError | None:
        """Out of stock; None where some of it was to be shipped, and another location may still serve that."""
        made = refused.plan
        short = {(r.variant_id, r.location_id) for r in refused.refusals}
        lines = {draft_line.id: index for index, draft_line in enumerate(made.draft.lines)}
        hit = [
            (parcel.method, lines[line.order_line_id])
            for parcel in made.parcels
            for line in parcel.lines
            if (line.variant_id, parcel.location_id) in short
        ]
        if any(method is FulfillmentMethod.SHIP for method, _ in hit):
            return None
        async with self.database.reading() as session:
            return await order_draft.out_of_stock(session, made.lines, sorted({n for _, n in hit}), refused.channel_id)

    async def pay(self, attempt: Attempt) -> Row | None:
        """Take the money of an attempt and make its order: the order's row, or None where somebody else has made it.
        Harmless to call again, from anywhere, at any time.

        Errors: `PaymentDeclined`, `PaymentPending`, `PaymentActionNeeded`, `OutOfStock`.
        """
        if attempt.status is AttemptStatus.PENDING:
            try:
                if (placed := await self._charge(attempt)) is not None:
                    return placed
            except (TimeoutError, GatewayUnreachable) as error:
                log.warning("payment provider unreachable", attempt=str(attempt.id), error=str(error))
                raise PaymentPending(LOST_ANSWER, "payments") from error
            except ActionNeeded as needed:
                await self._wait(attempt, needed)
                raise PaymentActionNeeded(needed.answer.action or {}) from needed
            async with self.database.reading() as session:
                attempt = await payment_attempts.load(session, attempt.id)
        match attempt.status:
            case AttemptStatus.PENDING | AttemptStatus.ENDING:
                raise PaymentPending(LOST_ANSWER, "payments")
            case AttemptStatus.SOLD_OUT:
                raise OutOfStock(attempt.reason or SOLD_MEANWHILE, "cartId")
            case AttemptStatus.DECLINED | AttemptStatus.ABANDONED:
                raise PaymentDeclined(attempt.reason or "The payment was declined.", "payments")
        return None

    async def _charge(self, attempt: Attempt) -> Row | None:
        """Errors: `TimeoutError`, `GatewayUnreachable`, `ActionNeeded`; the attempt stays open then."""
        try:
            answers = await self.charging.take(attempt)
        except Declined as declined:
            await self._take_back(attempt, AttemptStatus.DECLINED, str(declined))
            return None
        return await self._settle(attempt, answers)

    async def _wait(self, attempt: Attempt, needed: ActionNeeded) -> None:
        async with self.database.transaction(notify=False) as session:
            await payment_attempts.wait(
                session,
                attempt.id,
                charge=needed.charge,
                action=needed.answer.action or {},
                look_after_s=self.settings.action_poll_s,
            )

    async def _settle(self, attempt: Attempt, answers: list[Answer | None]) -> Row | None:
        """The second transaction: the order. Where the hold had ended and the goods are gone, the money goes back."""
        try:
            async with self.database.transaction() as session:
                return await payment_attempts.complete_and_commit(session, attempt, answers)
        except LedgerRefused:
            await self._take_back(attempt, AttemptStatus.SOLD_OUT, SOLD_MEANWHILE)
            return None

    async def _take_back(self, attempt: Attempt, status: AttemptStatus, reason: str) -> None:
        """End an attempt: first decide it, then undo the charges, then let stock and cart go."""
        async with self.database.transaction() as session:
            if not await payment_attempts.start_ending(session, attempt.id):
                return
        await self.charging.void(attempt)
        async with self.database.transaction() as session:
            await payment_attempts.give_up(session, attempt.id, status=status, reason=reason)

    async def finish(self, attempt_id: UUID) -> None:
        """Find out what became of an attempt that nobody finished, and finish it.

        Paid: the order is made. Not paid: the charge is called off for good, stock and cart are free. One that waits
        for its customer goes on where they have confirmed it, and waits as long as its stock is held.
        """
        async with self.database.transaction() as session:
            await payment_attempts.postpone(session, attempt_id, by_s=self.settings.gateway_timeout_s)
            attempt = await payment_attempts.load(session, attempt_id)
        try:
            if attempt.status is AttemptStatus.PENDING:
                await self._find_out(attempt)
            elif attempt.status is AttemptStatus.ENDING:
                await self._take_back(attempt, AttemptStatus.ABANDONED, UNANSWERED)
        except (TimeoutError, GatewayUnreachable) as error:
            log.warning("payment provider unreachable", attempt=str(attempt_id), error=str(error))

    async def _find_out(self, attempt: Attempt) -> None:
        try:
            if attempt.action is not None:
                await self._charge(attempt)
            elif (answers := await self.charging.find(attempt)) is not None:
                await self._settle(attempt, answers)
            else:
                await self._take_back(attempt, AttemptStatus.ABANDONED, UNANSWERED)
        except ActionNeeded as needed:
            if attempt.age_s < self.settings.hold_term_s:
                await self._wait(attempt, needed)
            else:
                await self._take_back(attempt, AttemptStatus.ABANDONED, UNCONFIRMED)

    async def hear(self, provider: str, event: ProviderEvent) -> bool:
        """A provider tells of a charge: find out what became of it. False where this was heard before.

        Nothing is believed but that something happened, and an attempt that has ended stays so.
        """
        async with self.database.transaction(notify=False) as session:
            if not await payment_attempts.heard(session, provider, event):
                return False
            found = await payment_attempts.of_charge(session, event.key)
            if found is not None and event.kind == REFUND_FAILED:
                await payment_operations.gave_nothing_back(session, provider, found["order_id"])
        if found is not None and found["open"]:
            await self.finish(found["id"])
        return True


async def sweep(checkout: Checkout, *, limit: int = 50) -> int:
    """Finish the attempts that are due, side by side; how many there were. One that fails holds up no other.

    Errors: what the failed ones raised, in a group; they are due again later.
    """
    async with checkout.database.reading() as session:
        found = await payment_attempts.due(session, limit=limit)
    ends = await asyncio.gather(*(checkout.finish(attempt_id) for attempt_id in found), return_exceptions=True)
    if failed := [end for end in ends if isinstance(end, Exception)]:
        raise ExceptionGroup("some attempts could not be finished", failed)
    return len(found)
