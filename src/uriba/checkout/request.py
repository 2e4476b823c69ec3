"""The input of a checkout, and the checks that need no database: amounts, tenders and their methods. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from uriba.checkout.errors import PaymentMismatch, PriceChanged
from uriba.checkout.gateways import PaymentGateway
from uriba.checkout.gateways.port import CASH, EXTERNAL
from uriba.core import money, text
from uriba.core.actor import Actor, Role
from uriba.core.errors import Code, DomainError, Invalid, LimitExceeded, Refusals
from uriba.customers import identifiers
from uriba.stored_value import tenders

PAYMENTS_MAX = 20


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount as the client wrote it, in major units."""

    amount: str
    currency: str


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """A tender as requested. `method`: CASH, stored value, or a provider that takes the `token`."""

    method: str
    amount: Amount
    token: str | None = None
    reference: str | None = None
    tendered: Amount | None = None


@dataclass(frozen=True, slots=True)
class CheckoutRequest:
    """A checkout of a cart."""

    cart_id: UUID
    idempotency_key: str
    payments: Sequence[PaymentRequest]
    expected_total: Amount | None = None
    email: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class CheckedTender:
    """A checked tender, in minor units."""

    method: str
    amount_minor: int
    token: str | None
    reference: str | None
    tendered_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """The e-mail address and phone number of the customer of an order."""

    email: str | None
    phone: str | None


def parse_contact(request: CheckoutRequest) -> Contact:
    """Return the contact of a checkout. Errors: `Invalid` for a malformed e-mail address or phone number."""
    return Contact(
        identifiers.email(request.email) if request.email is not None else None,
        identifiers.phone(request.phone) if request.phone is not None else None,
    )


def check_tenders(
    request: CheckoutRequest, *, currency: str, actor: Actor, gateways: Mapping[str, PaymentGateway]
) -> list[CheckedTender]:
    """Check each tender on its own; return them in minor units.

    Errors: `Invalid` (method, token, amount), CURRENCY_MISMATCH, `LimitExceeded` above 20.
    """
    if len(request.payments) > PAYMENTS_MAX:
        raise LimitExceeded(f"A checkout has at most {PAYMENTS_MAX} payments.", "payments")
    refusals = Refusals()
    checked = []
    for index, payment in enumerate(request.payments):
        try:
            checked.append(_check_tender(payment, index, currency, actor, gateways))
        except DomainError as error:
            refusals.caught(error)
    refusals.raise_any()
    return checked


def _check_tender(
    payment: PaymentRequest, index: int, currency: str, actor: Actor, gateways: Mapping[str, PaymentGateway]
) -> CheckedTender:
    at = ("payments", index)
    if payment.method == CASH and actor.role is not Role.TERMINAL:
        raise Invalid("Cash can be paid at a till only.", *at, "method")
    stored = payment.method in tenders.METHODS
    by_hand = payment.method == CASH or (payment.method == EXTERNAL and actor.role is Role.SYSTEM)
    if not by_hand and not stored and payment.method not in gateways:
        known = ", ".join(sorted({CASH, *tenders.METHODS, *gateways}))
        raise Invalid(f"This payment method is not available here. Use one of: {known}.", *at, "method")
    amount = minor_units(payment.amount, currency, *at, "amount")
    if amount <= 0:
        raise Invalid("The amount of a payment must be above zero.", *at, "amount", "amount")
    if stored:
        tenders.check(payment.method, payment.token, *at)
    elif not by_hand and (wrong := gateways[payment.method].check_token(payment.token)):
        raise Invalid(wrong, *at, "token")
    tendered_minor = _cash_tendered(payment, amount, currency, *at, "tendered")
    reference = text.optional_text(payment.reference, *at, "reference")
    return CheckedTender(payment.method, amount, payment.token, reference, tendered_minor)


def _cash_tendered(payment: PaymentRequest, amount: int, currency: str, *at: str | int) -> int | None:
    """Return the cash that the customer handed over. What exceeds `amount` is change."""
    if payment.tendered is None:
        return None
    if payment.method != CASH:
        raise Invalid("Only cash payments have a tendered amount.", *at)
    tendered = minor_units(payment.tendered, currency, *at)
    if tendered < amount:
        raise PaymentMismatch("The tendered cash is less than the payment.", *at)
    return tendered


def minor_units(amount: Amount, currency: str, *path: str | int) -> int:
    """Return the minor units of an amount in this currency.

    Errors: CURRENCY_MISMATCH, `Invalid`.
    """
    if amount.currency != currency:
        refusals = Refusals()
        refusals.add(Code.CURRENCY_MISMATCH, f"The cart is in {currency}.", *path, "currency")
        refusals.raise_any()
    return money.to_minor(amount.amount, currency, *path, "amount")


def check_totals(
    request: CheckoutRequest, checked: Sequence[CheckedTender], *, total_minor: int, currency: str
) -> None:
    """Check the totals. Errors: `PriceChanged` where the client expects another, `PaymentMismatch` for another sum."""
    total = money.to_decimal(total_minor, currency)
    if request.expected_total is not None:
        expected = minor_units(request.expected_total, currency, "expectedTotal")
        if expected != total_minor:
            raise PriceChanged(
                f"The total is now {total} {currency}. Show it to the customer, then check out again.", "expectedTotal"
            )
    if (paid := sum(t.amount_minor for t in checked)) != total_minor:
        sum_paid = money.to_decimal(paid, currency)
        raise PaymentMismatch(
            f"The payments add up to {sum_paid} {currency}, but the total is {total} {currency}.", "payments"
        )
