"""Checkout: turn a cart into an order.

Cash at a till is one transaction. With a payment provider there are two, around the provider's call: the first writes
the payment attempt with the charge's key and holds the stock, the second places the order. This module therefore opens
transactions itself, as only edges do elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from uuid import UUID

import structlog

from uriba.access import guess_limits
from uriba.access.guess_limits import CodeKind, GuessLimit
from uriba.cart import carts
from uriba.cart.enums import CartStatus, FulfillmentMethod
from uriba.cart.events import CartOrdered, cart_subject
from uriba.cart.view import CartView
from uriba.catalog.enums import Capture
from uriba.checkout import order_draft, payment_attempts, request, stored_value_tenders
from uriba.checkout.charges import ChargeProcessor, CustomerActionRequired
from uriba.checkout.enums import AttemptStatus
from uriba.checkout.errors import PaymentActionRequired, PaymentDeclined, PaymentPending
from uriba.checkout.gateways import ChargeResult, Declined, GatewayUnreachable, PaymentGateway, ProviderEvent
from uriba.checkout.gateways.port import REFUND_FAILED
from uriba.checkout.order_draft import OrderPlan
from uriba.checkout.payment_attempts import AgreedOrder, Attempt
from uriba.checkout.request import CheckedTender, CheckoutRequest
from uriba.checkout.settlement import Settlement
from uriba.config import Settings
from uriba.core.actor import Actor
from uriba.core.errors import DomainError
from uriba.core.ids import new_id
from uriba.db import Database, Session, idempotency
from uriba.db.idempotency import Call, Replayed
from uriba.fulfillment.allocation import initial
from uriba.inventory import holds, ledger
from uriba.inventory.errors import LedgerRefused, LevelRefusal, OutOfStock
from uriba.orders import payment_operations, placement, queries
from uriba.orders.rows import OrderRow
from uriba.outbox import emit
from uriba.stored_value.errors import GiftCardRefused
from uriba.stored_value.tenders import GIFT_CARD

DRAFTS_MAX = 5
"""How often a checkout drafts its order again after other checkouts took the stock that it counted on."""

NO_ANSWER_YET = "The payment provider has not answered yet. Call again with the same key; nothing is charged twice."

NO_ANSWER_IN_TIME = "The payment provider did not answer in time."

NOT_CONFIRMED_IN_TIME = "The payment was not confirmed in time."

SOLD_OUT = "These items were sold out while the payment took too long. Nothing was charged."

Before = Callable[[Session], Awaitable[None]]

log = structlog.get_logger()


class DraftRefused(Exception):
    """The ledger refused the stock of an order draft: another checkout took it first."""

    def __init__(self, plan: OrderPlan, channel_id: int, refusals: Sequence[LevelRefusal]) -> None:
        self.plan = plan
        self.channel_id = channel_id
        self.refusals = refusals
        super().__init__("another checkout took the stock first")


@dataclass(frozen=True, slots=True)
class BegunCheckout:
    """The result of the first transaction: an order that is placed, or an attempt that has to be paid."""

    order_id: UUID
    attempt: Attempt | None = None
    placed: OrderRow | None = None


@dataclass(frozen=True, slots=True)
class Checkout:
    """The checkout of a hub, with its database, settings and payment gateways."""

    database: Database
    settings: Settings
    gateways: Mapping[str, PaymentGateway]

    @property
    def charges(self) -> ChargeProcessor:
        """The processor of charges."""
        return ChargeProcessor(self.gateways, self.settings.gateway_timeout_s)

    @property
    def settlement(self) -> Settlement:
        return Settlement(self.database, self.charges)

    async def complete(
        self, *, actor: Actor, call: Call, requested: CheckoutRequest, before: Before | None = None
    ) -> OrderRow:
        """Turn a cart into an order; return the order, which a call with the same key may have placed before.

        `before`: work that precedes the checkout in its first transaction.

        Errors: those of `before`, `request` and `order_draft`, `CartNotFound`, `CartNotActive`, `OutOfStock`,
        `PaymentDeclined`, `PaymentPending`, `LimitExceeded` after too many wrong codes of gift cards.
        """
        async with self._count_wrong_codes_and_commit(actor, requested):
            return await self._complete(actor, call, requested, before)

    def _count_wrong_codes_and_commit(
        self, actor: Actor, requested: CheckoutRequest
    ) -> AbstractAsyncContextManager[None]:
        """Count wrong codes of gift cards, where the checkout has any."""
        if not any(payment.method == GIFT_CARD for payment in requested.payments):
            return nullcontext()
        limit = GuessLimit.of(self.settings, CodeKind.GIFT_CARD, actor, cart_id=requested.cart_id)
        return guess_limits.count_wrong_codes_and_commit(self.database, limit, wrong=GiftCardRefused)

    async def _complete(self, actor: Actor, call: Call, requested: CheckoutRequest, before: Before | None) -> OrderRow:
        by_provider = any(payment.method in self.gateways for payment in requested.payments)
        order_id, attempt_id = new_id(), new_id() if by_provider else None

        async def begin_and_commit(session: Session) -> BegunCheckout:
            if before is not None:
                await before(session)
            return await self._begin_and_commit(session, order_id, attempt_id, actor, requested)

        for _ in range(DRAFTS_MAX):
            try:
                answer = {"order": str(order_id), "attempt": str(attempt_id) if attempt_id else None}
                begun = await idempotency.once(self.database, call, begin_and_commit, answer=answer)
                break
            except DraftRefused as refused:
                if await self._expire_holds():
                    continue
                if (refusal := await self._refusal(refused)) is not None:
                    raise refusal from refused
            except OutOfStock:
                if not await self._expire_holds():
                    raise
        else:
            raise DomainError("Too many customers are buying these items at the same time. Please try again.", "cartId")
        if isinstance(begun, Replayed):
            begun = await self._begun_before(**begun.answer)
        placed = begun.placed
        if begun.attempt is not None:
            placed = await self.pay(begun.attempt)
        if placed is not None:
            return placed
        async with self.database.reading() as session:
            return await queries.placed_order(session, begun.order_id)

    async def _expire_holds(self) -> bool:
        """Release holds that have expired, without waiting for the sweep; return whether there were any."""
        async with self.database.transaction() as session:
            return await holds.expire(session) > 0

    async def _begin_and_commit(
        self, session: Session, order_id: UUID, attempt_id: UUID | None, actor: Actor, requested: CheckoutRequest
    ) -> BegunCheckout:
        """The first transaction: the whole checkout where no provider takes part."""
        contact = request.parse_contact(requested)
        status = CartStatus.ORDERED if attempt_id is None else CartStatus.ACTIVE
        cart = await carts.lock(session, cart_id=requested.cart_id, actor=actor, status=status)
        tenders = request.check_tenders(requested, currency=cart.terms.currency, actor=actor, gateways=self.gateways)
        plan = await order_draft.plan_order(session, order_id=order_id, cart=cart, actor=actor, contact=contact)
        total = plan.draft.total_minor
        request.check_totals(requested, tenders, total_minor=total, currency=cart.terms.currency)
        tenders = await stored_value_tenders.debit(session, plan.draft, tenders, actor=actor.label)
        try:
            if attempt_id is None:
                return BegunCheckout(order_id, placed=await self._place_and_commit(session, cart, plan, tenders, actor))
            return BegunCheckout(
                order_id, attempt=await self._begin_attempt_and_commit(session, attempt_id, cart, plan, tenders, actor)
            )
        except LedgerRefused as refused:
            raise DraftRefused(plan, cart.priced_in_id, refused.refusals) from refused

    async def _begun_before(self, order: str, attempt: str | None) -> BegunCheckout:
        """Return what a replayed checkout had begun."""
        if attempt is None:
            return BegunCheckout(UUID(order))
        async with self.database.reading() as session:
            return BegunCheckout(UUID(order), attempt=await payment_attempts.load(session, UUID(attempt)))

    async def _place_and_commit(
        self, session: Session, cart: CartView, plan: OrderPlan, tenders: list[CheckedTender], actor: Actor
    ) -> OrderRow:
        data = {"status": cart.status, "version": cart.version, "order": str(plan.draft.id)}
        emit(session, CartOrdered(cart_subject(cart.id), cart.events, data))
        paid = [
            placement.new_tender(t.method, t.amount_minor, t.reference, tendered_minor=t.tendered_minor)
            for t in tenders
        ]
        placed = await payment_attempts.place(session, plan.draft, plan.fulfillments, tenders=paid, actor=actor.label)
        moved = initial.stock_movements(plan.fulfillments)
        await ledger.post_and_commit(session, moved, reference=f"order:{plan.draft.id}", actor=actor.label)
        return placed

    async def _begin_attempt_and_commit(
        self,
        session: Session,
        attempt_id: UUID,
        cart: CartView,
        plan: OrderPlan,
        tenders: list[CheckedTender],
        actor: Actor,
    ) -> Attempt:
        emit(session, carts.updated_event(cart))
        agreed = AgreedOrder(
            draft=plan.draft,
            fulfillments=plan.fulfillments,
            charges=payment_attempts.charges(tenders, attempt_id, self.gateways),
            capture=cart.capture == Capture.AT_CHECKOUT,
        )
        return await payment_attempts.begin_and_commit(
            session,
            attempt_id=attempt_id,
            agreed=agreed,
            actor=actor.label,
            hold_term_s=self.settings.hold_term_s,
            # Until then the caller's own request waits for the provider.
            next_check_s=self.settings.gateway_timeout_s + 5,
        )

    async def _refusal(self, refused: DraftRefused) -> DomainError | None:
        """Return the refusal; None where a line to be shipped is affected: another location may still serve it."""
        plan = refused.plan
        short = {(r.variant_id, r.location_id) for r in refused.refusals}
        lines = {draft_line.id: index for index, draft_line in enumerate(plan.draft.lines)}
        affected = [
            (fulfillment.method, lines[line.order_line_id])
            for fulfillment in plan.fulfillments
            for line in fulfillment.lines
            if (line.variant_id, fulfillment.location_id) in short
        ]
        if any(method is FulfillmentMethod.SHIP for method, _ in affected):
            return None
        async with self.database.reading() as session:
            return await order_draft.out_of_stock(
                session, plan.lines, sorted({n for _, n in affected}), refused.channel_id
            )

    async def pay(self, attempt: Attempt) -> OrderRow | None:
        """Charge an attempt and place its order; return the order, or None where another caller has placed it.

        Calling this again is harmless, from any process, at any time.

        Errors: `PaymentDeclined`, `PaymentPending`, `PaymentActionRequired`, `OutOfStock`.
        """
        if attempt.status is AttemptStatus.PENDING:
            try:
                if (placed := await self._charge(attempt)) is not None:
                    return placed
            except (TimeoutError, GatewayUnreachable) as error:
                log.warning("payment provider unreachable", attempt=str(attempt.id), error=str(error))
                raise PaymentPending(NO_ANSWER_YET, "payments") from error
            except CustomerActionRequired as required:
                await self._wait_for_customer(attempt, required)
                raise PaymentActionRequired(required.result.action or {}) from required
            async with self.database.reading() as session:
                attempt = await payment_attempts.load(session, attempt.id)
        match attempt.status:
            case AttemptStatus.PENDING | AttemptStatus.ENDING:
                raise PaymentPending(NO_ANSWER_YET, "payments")
            case AttemptStatus.SOLD_OUT:
                raise OutOfStock(attempt.reason or SOLD_OUT, "cartId")
            case AttemptStatus.DECLINED | AttemptStatus.ABANDONED:
                raise PaymentDeclined(attempt.reason or "The payment was declined.", "payments")
        return None

    async def _charge(self, attempt: Attempt) -> OrderRow | None:
        """Charge a pending attempt and place its order; None where the attempt ended without an order.

        Errors: `TimeoutError`, `GatewayUnreachable`, `CustomerActionRequired`; the attempt is still pending then.
        """
        try:
            results = await self.charges.charge(attempt)
        except Declined as declined:
            await self._undo(attempt, AttemptStatus.DECLINED, str(declined))
            return None
        return await self._place_paid(attempt, results)

    async def _wait_for_customer(self, attempt: Attempt, required: CustomerActionRequired) -> None:
        async with self.database.transaction(notify=False) as session:
            await payment_attempts.wait_for_customer(
                session,
                attempt.id,
                charge=required.charge,
                action=required.result.action or {},
                next_check_s=self.settings.action_poll_s,
            )

    async def _place_paid(self, attempt: Attempt, results: list[ChargeResult | None]) -> OrderRow | None:
        """The second transaction: place the order; where hold and stock are gone, undo the charge."""
        try:
            async with self.database.transaction() as session:
                return await payment_attempts.complete_and_commit(session, attempt, results)
        except LedgerRefused:
            await self._undo(attempt, AttemptStatus.SOLD_OUT, SOLD_OUT)
            return None

    async def _undo(self, attempt: Attempt, status: AttemptStatus, reason: str) -> None:
        """End an attempt without an order: decide it, undo the charges, then release the stock and the cart."""
        async with self.database.transaction() as session:
            if not await payment_attempts.start_ending(session, attempt.id):
                return
        await self.charges.void(attempt)
        async with self.database.transaction() as session:
            await payment_attempts.end_without_order(session, attempt.id, status=status, reason=reason)

    async def finish(self, attempt_id: UUID) -> None:
        """Fetch the charges of an unfinished attempt from their providers, and finish it.

        Paid: the order is placed. Not paid: the charge is voided for good, and stock and cart are released. An attempt
        that waits for its customer goes on once they have confirmed it, and waits as long as its stock is held.
        """
        async with self.database.transaction() as session:
            await payment_attempts.postpone(session, attempt_id, by_s=self.settings.gateway_timeout_s)
            attempt = await payment_attempts.load(session, attempt_id)
        try:
            if attempt.status is AttemptStatus.PENDING:
                await self._finish_pending(attempt)
            elif attempt.status is AttemptStatus.ENDING:
                await self._undo(attempt, AttemptStatus.ABANDONED, NO_ANSWER_IN_TIME)
        except (TimeoutError, GatewayUnreachable) as error:
            log.warning("payment provider unreachable", attempt=str(attempt_id), error=str(error))

    async def _finish_pending(self, attempt: Attempt) -> None:
        try:
            if attempt.action is not None:
                await self._charge(attempt)
            elif (results := await self.charges.find(attempt)) is not None:
                await self._place_paid(attempt, results)
            else:
                await self._undo(attempt, AttemptStatus.ABANDONED, NO_ANSWER_IN_TIME)
        except CustomerActionRequired as required:
            if attempt.age_s < self.settings.hold_term_s:
                await self._wait_for_customer(attempt, required)
            else:
                await self._undo(attempt, AttemptStatus.ABANDONED, NOT_CONFIRMED_IN_TIME)

    async def receive(self, provider: str, event: ProviderEvent) -> bool:
        """Receive a provider's event: fetch the charge again and finish its attempt. False for a repeated event.

        The event is a trigger only: nothing that it says is trusted, and an attempt that has ended stays ended.
        """
        async with self.database.transaction(notify=False) as session:
            if not await payment_attempts.record_event(session, provider, event):
                return False
            found = await payment_attempts.of_charge(session, event.key)
            if found is not None and event.kind == REFUND_FAILED:
                await payment_operations.report_failed_refund(session, provider, found["order_id"])
        if found is not None and found["open"]:
            await self.finish(found["id"])
        return True


async def sweep(checkout: Checkout, *, limit: int = 50) -> int:
    """Finish the attempts that are due, concurrently; return how many there were. A failure delays no other attempt.

    Errors: an `ExceptionGroup` of the failures; their attempts are due again later.
    """
    async with checkout.database.reading() as session:
        found = await payment_attempts.due(session, limit=limit)
    ends = await asyncio.gather(*(checkout.finish(attempt_id) for attempt_id in found), return_exceptions=True)
    if failed := [end for end in ends if isinstance(end, Exception)]:
        raise ExceptionGroup("some attempts could not be finished", failed)
    return len(found)
