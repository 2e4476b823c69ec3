"""The checkout mutation and its inputs."""

from __future__ import annotations

import strawberry

from uriba.checkout.errors import PaymentActionRequired
from uriba.checkout.request import Amount, CheckoutRequest, PaymentRequest
from uriba.graphql.cart.mutations import cart_key
from uriba.graphql.context import Info
from uriba.graphql.orders.types import Order, order_of
from uriba.graphql.permissions import BUYER, mutation
from uriba.graphql.scalars import MoneyInput, UserError, user_errors


@strawberry.input(description="A tender: CASH at a till, or the name of a payment provider with its token.")
class PaymentInput:
    method: str
    amount: MoneyInput
    token: str | None = None
    reference: str | None = None
    tendered: MoneyInput | None = strawberry.field(
        default=None, description="The cash that is handed over, change included."
    )


@strawberry.input
class CheckoutInput:
    cart_id: strawberry.ID
    idempotency_key: str
    payments: list[PaymentInput]
    expected_total: MoneyInput | None = None
    email: str | None = None
    phone: str | None = None


@strawberry.type(description="What the customer's device needs to confirm a payment, in the provider's terms.")
class PaymentAction:
    url: str | None = None
    client_secret: str | None = None


@strawberry.type
class CheckoutPayload:
    order: Order | None = None
    action: PaymentAction | None = strawberry.field(
        default=None,
        description="With PAYMENT_ACTION_REQUIRED: the step to take. Call again with the same key afterwards.",
    )
    errors: list[UserError] = strawberry.field(default_factory=list)


def payment_of_input(payment: PaymentInput) -> PaymentRequest:
    return PaymentRequest(
        method=payment.method,
        amount=Amount(**vars(payment.amount)),
        token=payment.token,
        reference=payment.reference,
        tendered=Amount(**vars(payment.tendered)) if payment.tendered else None,
    )


@strawberry.type
class OrderMutations:
    @mutation(
        BUYER,
        "Turn a cart into an order, all or nothing, at most once. A call with the same key returns the same order.",
    )
    async def checkout(self, info: Info, input: CheckoutInput) -> CheckoutPayload:
        request = CheckoutRequest(
            cart_id=cart_key(input.cart_id),
            idempotency_key=input.idempotency_key,
            payments=[payment_of_input(payment) for payment in input.payments],
            expected_total=Amount(**vars(input.expected_total)) if input.expected_total else None,
            email=input.email,
            phone=input.phone,
        )
        call = info.context.call("checkout", input.idempotency_key, {"asked": request}, scope=str(request.cart_id))
        try:
            placed = await info.context.hub.checkout.complete(actor=info.context.actor, call=call, requested=request)
        except PaymentActionRequired as needed:
            action = PaymentAction(url=needed.action.get("url"), client_secret=needed.action.get("clientSecret"))
            return CheckoutPayload(action=action, errors=user_errors(needed))
        return CheckoutPayload(order=order_of(placed))
