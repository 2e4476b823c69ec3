"""Refusals of gift cards and points."""

from __future__ import annotations

from uriba.core.errors import Code, DomainError


class TenderRefused(DomainError):
    """A gift card or an account does not pay this; nothing was taken."""

    code = Code.PAYMENT_DECLINED


class CardRefused(TenderRefused):
    """A code that opens no card: unknown, blocked, expired or of another currency. It counts as a guess."""


class NotEnough(TenderRefused):
    """Less is there than is to be paid. It is said how much, to who has the code or the account."""
