"""Checkout."""

from __future__ import annotations

import strawberry

from uriba.checkout.request import Amount, CheckoutRequest, PaymentRequest
from uriba.graphql.cart.mutations import cart_key
from uriba.graphql.context import Info
from uriba.graphql.orders.types import Order, order_of
from uriba.graphql.permissions import BUYER, mutation
from uriba.graphql.scalars import MoneyInput, UserError


@strawberry.input(description="CASH at a till, or a provider's name with its token.")
class PaymentInput:
    method: str
    amount: MoneyInput
    token: str | None = None
    reference: str | None = None


@strawberry.input
class CheckoutInput:
    cart_id: strawberry.ID
    idempotency_key: str
    payments: list[PaymentInput]
    expected_total: MoneyInput | None = None
    email: str | None = None
    phone: str | None = None


@strawberry.type
class CheckoutPayload:
    order: Order | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class OrderMutations:
    @mutation(
        BUYER,
        "Make the cart an order: all or nothing, at most once per cart; the same key gives the same order.",
    )
    async def checkout(self, info: Info, input: CheckoutInput) -> CheckoutPayload:
        asked = CheckoutRequest(
            cart_id=cart_key(input.cart_id),
            idempotency_key=input.idempotency_key,
            payments=[
                PaymentRequest(**(vars(payment) | {"amount": Amount(**vars(payment.amount))}))
                for payment in input.payments
            ],
            expected_total=Amount(**vars(input.expected_total)) if input.expected_total else None,
            email=input.email,
            phone=input.phone,
        )
        claim = info.context.claim("checkout", input.idempotency_key, {"asked": asked}, scope=str(asked.cart_id))
        placed = await info.context.hub.checkout.complete(actor=info.context.actor, claim=claim, asked=asked)
        return CheckoutPayload(order=order_of(placed))
