"""Refusals of the checkout."""

from __future__ import annotations

from collections.abc import Mapping

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


class PaymentActionNeeded(DomainError):
    """The customer has a second step to take at the provider, `action`; then the same key goes on."""

    code = Code.PAYMENT_ACTION_REQUIRED

    def __init__(self, action: Mapping[str, str]) -> None:
        self.action = action
        super().__init__("The customer has to confirm this payment; then ask again with the same key.", "payments")


class PaymentPending(DomainError):
    """The provider has not answered; the same key asks again, and the hub finds out by itself."""

    code = Code.PAYMENT_PENDING
