"""What happens to orders after they were placed: handling, cancelling, bringing back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol
from uuid import UUID

import strawberry

from uriba.checkout.exchange import Exchanged, exchange
from uriba.checkout.request import CheckoutRequest
from uriba.core import ids
from uriba.core.actor import Role
from uriba.core.errors import Code, NotFound, Refusals
from uriba.core.ids import new_id
from uriba.db import Session
from uriba.db.idempotency import Replayed
from uriba.fulfillment import order_snapshot, returns
from uriba.fulfillment.lifecycle import cancellation, updates
from uriba.fulfillment.lifecycle.updates import FulfillmentUpdate
from uriba.fulfillment.models import FulfillmentStatus
from uriba.fulfillment.returns import ReturnRequest, ReturnRequestLine
from uriba.graphql.cart.mutations import cart_key
from uriba.graphql.context import Info
from uriba.graphql.orders.fulfillments import Fulfillment, fulfillment_of
from uriba.graphql.orders.mutations import PaymentInput, payment_of_input
from uriba.graphql.orders.payments import Refund
from uriba.graphql.orders.returns import Return, return_of
from uriba.graphql.orders.types import Order, order_of
from uriba.graphql.permissions import RETAILER, TERMINAL, mutation
from uriba.graphql.scalars import UserError
from uriba.orders import payment_operations
from uriba.orders.models import ReturnCondition


@strawberry.input(description="Units of a line.")
class OrderLineUnitsInput:
    order_line_id: strawberry.ID
    quantity: int


@strawberry.input
class OrderReturnLineInput:
    order_line_id: strawberry.ID
    quantity: int
    restock: bool = strawberry.field(default=True, description="False, without a condition: not kept as stock at all.")
    condition: ReturnCondition | None = strawberry.field(
        default=None, description="SELLABLE where it is restocked and nothing else is said."
    )
    reason: str | None = None


@strawberry.input
class OrderReturnInput:
    order_id: strawberry.ID
    lines: list[OrderReturnLineInput]
    idempotency_key: str
    location: str | None = strawberry.field(
        default=None, description="Where the goods were handed in; a terminal's own, else where they left from."
    )
    approve: bool = strawberry.field(
        default=False, description="Staff allows what is past the channel's window, or above its limit."
    )
    note: str | None = None


@strawberry.type
class OrderPayload:
    order: Order | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class FulfillmentPayload:
    fulfillment: Fulfillment | None = None
    order: Order | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class OrderReturnPayload:
    order_return: Return | None = None
    order: Order | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input(description="Goods that come back, and the cart that goes out for them.")
class OrderExchangeInput:
    order_id: strawberry.ID
    lines: list[OrderReturnLineInput]
    cart_id: strawberry.ID
    idempotency_key: str
    payments: list[PaymentInput] = strawberry.field(
        default_factory=list, description="What the new goods cost above what comes back; in cash."
    )
    note: str | None = None


@strawberry.type
class OrderExchangePayload:
    order_return: Return | None = None
    order: Order | None = strawberry.field(default=None, description="Of which goods came back.")
    exchange: Order | None = strawberry.field(default=None, description="The new order.")
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class RefundPayload:
    refund: Refund | None = None
    order: Order | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class AfterSalesMutations:
    @mutation(
        RETAILER,
        "Cancel an order before anything of it leaves, or units of its lines that have not left: stock goes back to "
        "where it was promised, money to whom it came from. For terminals of a place that has a part in it, apps and "
        "staff.",
    )
    async def order_cancel(
        self,
        info: Info,
        order_id: strawberry.ID,
        reason: str | None = None,
        idempotency_key: str | None = None,
        lines: list[OrderLineUnitsInput] | None = None,
    ) -> OrderPayload:
        key = _key(order_id, "Order", "orderId")
        asked = {"order": key, "reason": reason, "lines": [vars(line) for line in lines] if lines is not None else None}
        call = info.context.call("orderCancel", idempotency_key, asked)
        units = units_of(lines) if lines is not None else None
        actor = info.context.actor

        async def cancel(session: Session) -> None:
            book = await order_snapshot.lock(session, key, actor=actor, path="orderId")
            chosen = cancellation.units_to_cancel(book, units)
            at_till = actor.role is Role.TERMINAL
            await cancellation.cancel(session, book, chosen, reason=reason, actor=actor.label, at_till=at_till)

        await info.context.once(call, cancel)
        return OrderPayload(order=await settled(info, key))

    @mutation(
        RETAILER,
        "Say how far a fulfillment is, or a part of it. A terminal handles its own location's. Stock and money move "
        "with the goods: hand-over and shipment take from on hand; what is rejected comes from elsewhere, or waits.",
    )
    async def fulfillment_update(
        self,
        info: Info,
        fulfillment_id: strawberry.ID,
        status: FulfillmentStatus,
        tracking: str | None = None,
        reason: str | None = None,
        lines: list[OrderLineUnitsInput] | None = None,
        code: str | None = None,
    ) -> FulfillmentPayload:
        said = FulfillmentUpdate(
            fulfillment_id=_key(fulfillment_id, "Fulfillment", "fulfillmentId"),
            status=status,
            tracking=tracking,
            reason=reason,
            code=code,
            units=units_of(lines) if lines is not None else None,
        )
        async with info.context.transaction() as session:
            part_id, order_id = await updates.apply(session, said, actor=info.context.actor)
        order = await settled(info, order_id)
        row = await info.context.loaders.fulfillment.get(part_id)
        assert row is not None
        return FulfillmentPayload(fulfillment=fulfillment_of(row), order=order)

    @mutation(
        RETAILER,
        "Take back goods of an order of any channel, at any location: what was paid for them goes back the way it was "
        "paid, and the goods land where they were handed in.",
    )
    async def order_return(self, info: Info, input: OrderReturnInput) -> OrderReturnPayload:
        asked = ReturnRequest(
            order_id=_key(input.order_id, "Order", "orderId"),
            lines=[_back(line) for line in input.lines],
            location=input.location,
            approve=input.approve,
            note=input.note,
        )
        call = info.context.call("orderReturn", input.idempotency_key, {"asked": asked})
        return_id, actor = new_id(), info.context.actor

        async def take(session: Session) -> None:
            await returns.accept(session, asked, return_id=return_id, actor=actor)

        taken = await info.context.once(call, take, answer={"return": str(return_id)})
        if isinstance(taken, Replayed):
            return_id = UUID(taken.answer["return"])
        order = await settled(info, asked.order_id)
        row = await info.context.loaders.order_return.get(return_id)
        assert row is not None
        return OrderReturnPayload(order_return=return_of(row), order=order)

    @mutation(
        TERMINAL,
        "Exchange goods at a till: what comes back pays for the cart; only the difference is paid, in cash, or given "
        "back the way the first order was paid. One document: a return with its new order.",
    )
    async def order_exchange(self, info: Info, input: OrderExchangeInput) -> OrderExchangePayload:
        back = ReturnRequest(
            order_id=_key(input.order_id, "Order", "orderId"),
            lines=[_back(line) for line in input.lines],
            note=input.note,
        )
        out = CheckoutRequest(
            cart_id=cart_key(input.cart_id),
            idempotency_key=input.idempotency_key,
            payments=[payment_of_input(payment) for payment in input.payments],
        )
        call = info.context.call("orderExchange", input.idempotency_key, {"back": back, "out": out})
        done = Exchanged(new_id(), new_id())
        work = partial(
            exchange,
            ids=done,
            actor=info.context.actor,
            back=back,
            out=out,
            gateways=info.context.hub.checkout.gateways,
        )
        answer = {"order": str(done.order_id), "return": str(done.return_id)}
        exchanged = await info.context.once(call, work, answer=answer)
        if isinstance(exchanged, Replayed):
            done = Exchanged(UUID(exchanged.answer["order"]), UUID(exchanged.answer["return"]))
        order = await settled(info, back.order_id)
        row = await info.context.loaders.order_return.get(done.return_id)
        new = await info.context.loaders.order.get(done.order_id)
        assert row is not None and new is not None
        return OrderExchangePayload(order_return=return_of(row), order=order, exchange=order_of(new))

    @mutation(TERMINAL, "Cash that waited to be given back was paid out at this till. Again: nothing more.")
    async def refund_pay_out(self, info: Info, refund_id: strawberry.ID) -> RefundPayload:
        key = _key(refund_id, "Refund", "refundId")
        async with info.context.transaction() as session:
            row = await payment_operations.pay_out_cash(session, operation_id=key, actor=info.context.actor)
        order = await settled(info, row["order_id"])
        refunds = await order.refunds(info)
        return RefundPayload(refund=next(refund for refund in refunds if refund.id == refund_id), order=order)


async def settled(info: Info, order_id: UUID) -> Order:
    """The order, its money moved as far as providers answer."""
    await info.context.hub.checkout.settlement.settle(order_id)
    info.context.reset_loaders()
    row = await info.context.loaders.order.get(order_id)
    assert row is not None
    return order_of(row)


class _Units(Protocol):
    order_line_id: strawberry.ID
    quantity: int


def units_of(lines: Sequence[_Units]) -> Mapping[UUID, int]:
    """Units by line. Errors: `NotFound`, INVALID for a line that stands twice."""
    found: dict[UUID, int] = {}
    refusals = Refusals()
    for index, line in enumerate(lines):
        key = ids.uuid(line.order_line_id, "OrderLine")
        if key is None:
            refusals.add(Code.NOT_FOUND, "There is no such line.", "lines", index, "orderLineId")
        elif key in found:
            refusals.add(Code.INVALID, "This line stands twice.", "lines", index, "orderLineId")
        else:
            found[key] = line.quantity
    refusals.raise_any()
    return found


def _back(line: OrderReturnLineInput) -> ReturnRequestLine:
    condition = line.condition
    if condition is None and line.restock:
        condition = ReturnCondition.SELLABLE
    return ReturnRequestLine(ids.uuid(line.order_line_id, "OrderLine"), line.quantity, condition, line.reason)


def _key(id: str, kind: str, path: str) -> UUID:
    key = ids.uuid(id, kind)
    if key is None:
        raise NotFound(f"There is no such {kind.lower()}.", path)
    return key
