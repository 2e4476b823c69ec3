"""Refusals of the checkout."""

from __future__ import annotations

from collections.abc import Mapping

from uriba.core.errors import Code, DomainError


class PriceChanged(DomainError):
    """The total differs from the total that the client expects."""

    code = Code.PRICE_CHANGED


class PaymentMismatch(DomainError):
    """The payments do not add up to the total."""

    code = Code.PAYMENT_MISMATCH


class PaymentDeclined(DomainError):
    """The provider declined the payment. Nothing is charged or held."""

    code = Code.PAYMENT_DECLINED


class PaymentActionRequired(DomainError):
    """The customer has to confirm the payment at the provider, by `action`; then call again with the same key."""

    code = Code.PAYMENT_ACTION_REQUIRED

    def __init__(self, action: Mapping[str, str]) -> None:
        self.action = action
        super().__init__(
            "The customer has to confirm this payment. Then call checkout again with the same key.", "payments"
        )


class PaymentPending(DomainError):
    """The provider has not answered yet. A call with the same key tries again; the hub also checks by itself."""

    code = Code.PAYMENT_PENDING
