"""Refusals of gift cards and points."""

from __future__ import annotations

from uriba.core.errors import Code, DomainError


class TenderRefused(DomainError):
    """A gift card or points cannot pay this amount; nothing was taken."""

    code = Code.PAYMENT_DECLINED


class GiftCardRefused(TenderRefused):
    """The code belongs to no usable card: unknown, blocked, expired or in another currency. It counts as a guess."""


class InsufficientBalance(TenderRefused):
    """The balance is lower than the amount. The message states the balance: the caller has the code or the account."""
