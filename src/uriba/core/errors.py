"""Refusals: errors that the caller can act on, each with a stable code.

A `DomainError` carries one `Problem` for everything that is wrong, so that the caller can correct all of it at once.
When it is raised nothing has changed: the edge rolls the transaction back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Code(StrEnum):
    """The error codes of the public API. They never change their meaning."""

    NOT_FOUND = "NOT_FOUND"
    INVALID = "INVALID"
    INVALID_QUANTITY = "INVALID_QUANTITY"
    OUT_OF_STOCK = "OUT_OF_STOCK"
    PRICE_CHANGED = "PRICE_CHANGED"
    CART_NOT_ACTIVE = "CART_NOT_ACTIVE"
    VERSION_CONFLICT = "VERSION_CONFLICT"
    CODE_EXPIRED = "CODE_EXPIRED"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    PAYMENT_DECLINED = "PAYMENT_DECLINED"
    PAYMENT_MISMATCH = "PAYMENT_MISMATCH"
    PAYMENT_PENDING = "PAYMENT_PENDING"
    PAYMENT_ACTION_REQUIRED = "PAYMENT_ACTION_REQUIRED"
    APPROVAL_REQUIRED = "APPROVAL_REQUIRED"
    COUPON_INVALID = "COUPON_INVALID"
    COUPON_USED_UP = "COUPON_USED_UP"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    INVALID_STATE = "INVALID_STATE"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    EMPTY_CART = "EMPTY_CART"
    DISCONTINUED = "DISCONTINUED"
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    NOT_INSTALLED = "NOT_INSTALLED"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: its code, a sentence for people, and the path of the input field."""

    code: Code
    message: str
    path: tuple[str, ...] = ()


class DomainError(Exception):
    """A refusal. Each subclass has a code; `DomainError.of` carries several problems."""

    code: ClassVar[Code] = Code.INVALID

    def __init__(self, message: str, *path: str | int) -> None:
        self.problems: tuple[Problem, ...] = (Problem(self.code, message, tuple(str(step) for step in path)),)
        super().__init__(message)

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> DomainError:
        """Return one error with several problems."""
        error = cls.__new__(cls)
        error.problems = tuple(problems)
        assert error.problems
        Exception.__init__(error, error.problems[0].message)
        return error


class NotFound(DomainError):
    """The thing does not exist, or not for this caller."""

    code = Code.NOT_FOUND


class Invalid(DomainError):
    """The input is not valid."""

    code = Code.INVALID


class InvalidQuantity(DomainError):
    """A quantity is outside of the range that the operation allows."""

    code = Code.INVALID_QUANTITY


class ApprovalRequired(DomainError):
    """The channel's terms require the approval of staff."""

    code = Code.APPROVAL_REQUIRED


class InvalidState(DomainError):
    """The operation is not possible in the present state."""

    code = Code.INVALID_STATE


class LimitExceeded(DomainError):
    """There are more rows, attempts or characters than the limit allows."""

    code = Code.LIMIT_EXCEEDED


class CursorExpired(DomainError):
    """Events after the cursor have been deleted from the feed."""

    code = Code.CURSOR_EXPIRED


class NotInstalled(DomainError):
    """An optional part of the hub is not installed."""

    code = Code.NOT_INSTALLED


class VersionConflict(DomainError):
    """The thing has been changed since the version that the caller knows."""

    code = Code.VERSION_CONFLICT


class CurrencyMismatch(DomainError):
    """Amounts of two currencies cannot be combined."""

    code = Code.CURRENCY_MISMATCH


class IdempotencyKeyReused(DomainError):
    """The idempotency key was used before with another input."""

    code = Code.IDEMPOTENCY_KEY_REUSED


class Refusals:
    """Collects problems, to refuse all of them at once."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, code: Code, message: str, *path: str | int) -> None:
        self.problems.append(Problem(code, message, tuple(str(step) for step in path)))

    def caught(self, error: DomainError) -> None:
        self.problems.extend(error.problems)

    def raise_any(self) -> None:
        if self.problems:
            raise DomainError.of(self.problems)


class Denied(Exception):
    """The caller has no right to the operation. A row that the caller may not see is `NotFound` instead."""

    def __init__(self, message: str = "Your key does not allow this.") -> None:
        super().__init__(message)


class Unauthenticated(Exception):
    """The key is unknown, expired or revoked, or is missing."""

    def __init__(self, message: str = "This key is not valid.") -> None:
        super().__init__(message)
