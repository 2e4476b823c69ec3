"""Refusals: what a caller did that cannot be done, with a stable code.

A `DomainError` is expected and the caller can act on it. It carries one `Problem` for each thing that is wrong,
so that all of them can be mended in one go. Nothing has changed when one is raised: the edge rolls back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Code(StrEnum):
    """The codes of the public API; a client may rely on them for ever."""

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


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: a code, a sentence for people, and the input field it is about."""

    code: Code
    message: str
    path: tuple[str, ...] = ()


class DomainError(Exception):
    """A refusal. Subclasses fix the code; `DomainError.of` carries several problems."""

    code: ClassVar[Code] = Code.INVALID

    def __init__(self, message: str, *path: str | int) -> None:
        self.problems: tuple[Problem, ...] = (Problem(self.code, message, tuple(str(step) for step in path)),)
        super().__init__(message)

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> DomainError:
        error = cls.__new__(cls)
        error.problems = tuple(problems)
        assert error.problems
        Exception.__init__(error, error.problems[0].message)
        return error


class NotFound(DomainError):
    """There is no such thing, or the caller may not know of it."""

    code = Code.NOT_FOUND


class Invalid(DomainError):
    """The input cannot be meant."""

    code = Code.INVALID


class InvalidQuantity(DomainError):
    """A quantity outside of what the operation allows."""

    code = Code.INVALID_QUANTITY


class ApprovalRequired(DomainError):
    """The channel's terms leave this to staff."""

    code = Code.APPROVAL_REQUIRED


class InvalidState(DomainError):
    """Right in itself, but not now."""

    code = Code.INVALID_STATE


class LimitExceeded(DomainError):
    """More rows, tries or characters than are allowed."""

    code = Code.LIMIT_EXCEEDED


class CursorExpired(DomainError):
    """The feed no longer has what came after the cursor."""

    code = Code.CURSOR_EXPIRED


class VersionConflict(DomainError):
    """Somebody else changed it first."""

    code = Code.VERSION_CONFLICT


class CurrencyMismatch(DomainError):
    """Amounts of two currencies cannot meet."""

    code = Code.CURRENCY_MISMATCH


class IdempotencyKeyReused(DomainError):
    """The key was used before, with another input."""

    code = Code.IDEMPOTENCY_KEY_REUSED


class Refusals:
    """Collects problems row by row, to refuse all of them at once."""

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
    """The caller has no right to the operation itself (not: to a row, which then does not exist)."""

    def __init__(self, message: str = "Your key does not allow this.") -> None:
        super().__init__(message)


class Unauthenticated(Exception):
    """The key is forged, expired or revoked, or there is none where one is needed."""

    def __init__(self, message: str = "This key is not valid.") -> None:
        super().__init__(message)
