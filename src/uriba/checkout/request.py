"""What a checkout asks for, checked on its own: amounts, tenders, who may pay how. Pure."""

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
    """As the client wrote it, in major units."""

    amount: str
    currency: str


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """One tender: CASH, or a provider's name with its token."""

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
class Tendered:
    """A checked tender, in minor units."""

    method: str
    amount_minor: int
    token: str | None
    reference: str | None
    tendered_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """How the customer of this order is reached."""

    email: str | None
    phone: str | None


def contact(request: CheckoutRequest) -> Contact:
    """Errors: `Invalid` for what is no address or number."""
    return Contact(
        identifiers.email(request.email) if request.email is not None else None,
        identifiers.phone(request.phone) if request.phone is not None else None,
    )


def tendered(
    request: CheckoutRequest, *, currency: str, actor: Actor, gateways: Mapping[str, PaymentGateway]
) -> list[Tendered]:
    """The tenders, each on its own.

    Errors: `Invalid` (method, token, amount), `CurrencyMismatch`-coded problems, `LimitExceeded` above 20.
    """
    if len(request.payments) > PAYMENTS_MAX:
        raise LimitExceeded(f"At most {PAYMENTS_MAX} payments.", "payments")
    refusals = Refusals()
    checked = []
    for index, payment in enumerate(request.payments):
        try:
            checked.append(_tender(payment, index, currency, actor, gateways))
        except DomainError as error:
            refusals.caught(error)
    refusals.raise_any()
    return checked


def _tender(
    payment: PaymentRequest, index: int, currency: str, actor: Actor, gateways: Mapping[str, PaymentGateway]
) -> Tendered:
    at = ("payments", index)
    if payment.method == CASH and actor.role is not Role.TERMINAL:
        raise Invalid("Cash is taken at a till only.", *at, "method")
    own = payment.method in tenders.METHODS
    taken = payment.method == CASH or (payment.method == EXTERNAL and actor.role is Role.SYSTEM)
    if not taken and not own and payment.method not in gateways:
        known = ", ".join(sorted({CASH, *tenders.METHODS, *gateways}))
        raise Invalid(f"There is no such way to pay here: {known}.", *at, "method")
    amount = minor(payment.amount, currency, *at, "amount")
    if amount <= 0:
        raise Invalid("A payment is above zero.", *at, "amount", "amount")
    if own:
        tenders.check(payment.method, payment.token, *at)
    elif not taken and (wrong := gateways[payment.method].check_token(payment.token)):
        raise Invalid(wrong, *at, "token")
    handed_over = _handed_over(payment, amount, currency, *at, "tendered")
    reference = text.optional_text(payment.reference, *at, "reference")
    return Tendered(payment.method, amount, payment.token, reference, handed_over)


def _handed_over(payment: PaymentRequest, amount: int, currency: str, *at: str | int) -> int | None:
    """Cash that the customer gave, of which `amount` is kept and the rest is change."""
    if payment.tendered is None:
        return None
    if payment.method != CASH:
        raise Invalid("Only cash has change.", *at)
    given = minor(payment.tendered, currency, *at)
    if given < amount:
        raise PaymentMismatch("This is less cash than the payment.", *at)
    return given


def minor(amount: Amount, currency: str, *path: str | int) -> int:
    """Minor units of an amount that must be in this currency.

    Errors: a CURRENCY_MISMATCH or `Invalid`.
    """
    if amount.currency != currency:
        refusals = Refusals()
        refusals.add(Code.CURRENCY_MISMATCH, f"The cart is in {currency}.", *path, "currency")
        refusals.raise_any()
    return money.to_minor(amount.amount, currency, *path, "amount")


def check_totals(request: CheckoutRequest, given: Sequence[Tendered], *, total_minor: int, currency: str) -> None:
    """Errors: `PriceChanged` where the customer saw another total, `PaymentMismatch` for tenders that do not add up."""
    total = money.to_decimal(total_minor, currency)
    if request.expected_total is not None:
        expected = minor(request.expected_total, currency, "expectedTotal")
        if expected != total_minor:
            raise PriceChanged(f"The total is {total} {currency} now.", "expectedTotal")
    if (paid := sum(t.amount_minor for t in given)) != total_minor:
        said = money.to_decimal(paid, currency)
        raise PaymentMismatch(f"The payments add up to {said}, the total is {total} {currency}.", "payments")
