"""Refusals of the checkout."""

from __future__ import annotations

from uriba.core.errors import Code, DomainError


class PriceChanged(DomainError):
    """The total is not what the customer saw."""

    code = Code.PRICE_CHANGED


class PaymentMismatch(DomainError):
    """The payments do not add up to the total."""

    code = Code.PAYMENT_MISMATCH


class PaymentDeclined(DomainError):
    """The provider said no; nothing was charged, nothing is held."""

    code = Code.PAYMENT_DECLINED


class PaymentPending(DomainError):
    """The provider has not answered; the same key asks again, and the hub finds out by itself."""

    code = Code.PAYMENT_PENDING
