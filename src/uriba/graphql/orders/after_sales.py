"""Mutations of placed orders: fulfillment, cancellation, returns, exchanges and refunds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol
from uuid import UUID

import strawberry

from uriba.checkout.exchange import Exchanged, exchange
from uriba.checkout.request import CheckoutRequest
from uriba.core import ids
from uriba.core.errors import Code, NotFound, Refusals
from uriba.core.ids import new_id
from uriba.db.idempotency import Replayed
from uriba.fulfillment import returns
from uriba.fulfillment.enums import FulfillmentStatus
from uriba.fulfillment.lifecycle import updates
from uriba.fulfillment.lifecycle.cancellation import cancel_order
from uriba.fulfillment.lifecycle.updates import FulfillmentUpdate
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
from uriba.orders.enums import ReturnCondition


@strawberry.input(description="Units of an order line.")
class OrderLineUnitsInput:
    order_line_id: strawberry.ID
    quantity: int


@strawberry.input
class OrderReturnLineInput:
    order_line_id: strawberry.ID
    quantity: int
    restock: bool = strawberry.field(
        default=True, description="False, without a condition: the units are not kept as stock."
    )
    condition: ReturnCondition | None = strawberry.field(
        default=None, description="SELLABLE by default, where `restock` is true."
    )
    reason: str | None = None


@strawberry.input
class OrderReturnInput:
    order_id: strawberry.ID
    lines: list[OrderReturnLineInput]
    idempotency_key: str
    location: str | None = strawberry.field(
        default=None,
        description="Where the units are handed in. Default: a terminal's own location, else the one they left from.",
    )
    approve: bool = strawberry.field(
        default=False, description="Staff approves a return after the channel's return window, or above its limit."
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


@strawberry.input(description="Units to return, and the cart that they are exchanged for.")
class OrderExchangeInput:
    order_id: strawberry.ID
    lines: list[OrderReturnLineInput]
    cart_id: strawberry.ID
    idempotency_key: str
    payments: list[PaymentInput] = strawberry.field(
        default_factory=list, description="Payments of the difference, where the new order costs more; in cash."
    )
    note: str | None = None


@strawberry.type
class OrderExchangePayload:
    order_return: Return | None = None
    order: Order | None = strawberry.field(default=None, description="The order of the returned units.")
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
        "Cancel an order of which no unit has been handed over or shipped, or units of its lines that have not. The "
        "units are released where they were promised, and payments are voided or refunded. For terminals whose "
        "location takes part in the order, apps and staff.",
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
        content = {"order": key, "reason": reason, "lines": None if lines is None else [vars(line) for line in lines]}
        call = info.context.call("orderCancel", idempotency_key, content)
        units = units_of(lines) if lines is not None else None
        actor = info.context.actor
        await info.context.once(call, partial(cancel_order, order_id=key, units=units, reason=reason, actor=actor))
        return OrderPayload(order=await settle_and_load(info, key))

    @mutation(
        RETAILER,
        "Set the status of a fulfillment, or of some of its units. Stock and payments follow: hand-over and shipment "
        "reduce on hand and capture payments; rejected units come from another location or are back-ordered. A "
        "terminal updates fulfillments of its own location.",
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
        update = FulfillmentUpdate(
            fulfillment_id=_key(fulfillment_id, "Fulfillment", "fulfillmentId"),
            status=status,
            tracking=tracking,
            reason=reason,
            code=code,
            units=units_of(lines) if lines is not None else None,
        )
        async with info.context.transaction() as session:
            updated_id, order_id = await updates.apply(session, update, actor=info.context.actor)
        order = await settle_and_load(info, order_id)
        row = await info.context.loaders.fulfillment.get(updated_id)
        assert row is not None
        return FulfillmentPayload(fulfillment=fulfillment_of(row), order=order)

    @mutation(
        RETAILER,
        "Return units of an order of any channel at any location. Their price is refunded to the tenders that paid, "
        "and the units are added to the stock of the location where they are handed in.",
    )
    async def order_return(self, info: Info, input: OrderReturnInput) -> OrderReturnPayload:
        request = ReturnRequest(
            order_id=_key(input.order_id, "Order", "orderId"),
            lines=[_return_request_line(line) for line in input.lines],
            location=input.location,
            approve=input.approve,
            note=input.note,
        )
        call = info.context.call("orderReturn", input.idempotency_key, {"asked": request})
        return_id = new_id()
        work = partial(returns.accept, request=request, return_id=return_id, actor=info.context.actor)
        accepted = await info.context.once(call, work, answer={"return": str(return_id)})
        if isinstance(accepted, Replayed):
            return_id = UUID(accepted.answer["return"])
        order = await settle_and_load(info, request.order_id)
        row = await info.context.loaders.order_return.get(return_id)
        assert row is not None
        return OrderReturnPayload(order_return=return_of(row), order=order)

    @mutation(
        TERMINAL,
        "Exchange units at a till: the price of the returned units pays for the cart. Only the difference is paid, in "
        "cash, or refunded to the tenders of the first order. Creates a return and a new order in one transaction.",
    )
    async def order_exchange(self, info: Info, input: OrderExchangeInput) -> OrderExchangePayload:
        request = ReturnRequest(
            order_id=_key(input.order_id, "Order", "orderId"),
            lines=[_return_request_line(line) for line in input.lines],
            note=input.note,
        )
        checkout = CheckoutRequest(
            cart_id=cart_key(input.cart_id),
            idempotency_key=input.idempotency_key,
            payments=[payment_of_input(payment) for payment in input.payments],
        )
        call = info.context.call("orderExchange", input.idempotency_key, {"back": request, "out": checkout})
        done = Exchanged(new_id(), new_id())
        work = partial(
            exchange,
            ids=done,
            actor=info.context.actor,
            back=request,
            out=checkout,
            gateways=info.context.hub.checkout.gateways,
        )
        answer = {"order": str(done.order_id), "return": str(done.return_id)}
        exchanged = await info.context.once(call, work, answer=answer)
        if isinstance(exchanged, Replayed):
            done = Exchanged(UUID(exchanged.answer["order"]), UUID(exchanged.answer["return"]))
        order = await settle_and_load(info, request.order_id)
        row = await info.context.loaders.order_return.get(done.return_id)
        new = await info.context.loaders.order.get(done.order_id)
        assert row is not None and new is not None
        return OrderExchangePayload(order_return=return_of(row), order=order, exchange=order_of(new))

    @mutation(TERMINAL, "Record that this till has paid out a refund that waited for it. A repetition does nothing.")
    async def refund_pay_out(self, info: Info, refund_id: strawberry.ID) -> RefundPayload:
        key = _key(refund_id, "Refund", "refundId")
        async with info.context.transaction() as session:
            order_id = await payment_operations.pay_out_cash(session, operation_id=key, actor=info.context.actor)
        order = await settle_and_load(info, order_id)
        refunds = await order.refunds(info)
        return RefundPayload(refund=next(refund for refund in refunds if refund.id == refund_id), order=order)


async def settle_and_load(info: Info, order_id: UUID) -> Order:
    """Have providers do the order's payment operations that are due, as far as they answer; return the order."""
    await info.context.hub.checkout.settlement.settle(order_id)
    info.context.reset_loaders()
    row = await info.context.loaders.order.get(order_id)
    assert row is not None
    return order_of(row)


class _Units(Protocol):
    order_line_id: strawberry.ID
    quantity: int


def units_of(lines: Sequence[_Units]) -> Mapping[UUID, int]:
    """Return the units by order line. Errors: `NotFound`, `Invalid` for a line that is named twice."""
    found: dict[UUID, int] = {}
    refusals = Refusals()
    for index, line in enumerate(lines):
        key = ids.uuid(line.order_line_id, "OrderLine")
        if key is None:
            refusals.add(Code.NOT_FOUND, "There is no such line.", "lines", index, "orderLineId")
        elif key in found:
            refusals.add(Code.INVALID, "This line is named twice. Name each line once.", "lines", index, "orderLineId")
        else:
            found[key] = line.quantity
    refusals.raise_any()
    return found


def _return_request_line(line: OrderReturnLineInput) -> ReturnRequestLine:
    condition = returns.condition_of(line.condition, restock=line.restock)
    return ReturnRequestLine(ids.uuid(line.order_line_id, "OrderLine"), line.quantity, condition, line.reason)


def _key(id: str, kind: str, path: str) -> UUID:
    key = ids.uuid(id, kind)
    if key is None:
        raise NotFound(f"There is no such {kind.lower()}.", path)
    return key
