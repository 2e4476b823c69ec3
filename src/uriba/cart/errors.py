"""Refusals of the cart."""

from __future__ import annotations

from uriba.core.errors import Code, DomainError, NotFound


class CartNotFound(NotFound):
    """There is no such cart, or the actor may not see it: the answer is the same."""

    def __init__(self, *path: str) -> None:
        super().__init__("There is no such cart.", *(path or ("cartId",)))


class CartNotActive(DomainError):
    """The cart was ordered, merged, has expired, or is being paid."""

    code = Code.CART_NOT_ACTIVE


class EmptyCart(DomainError):
    """The cart has no lines."""

    code = Code.EMPTY_CART


class CodeExpired(DomainError):
    """The handoff code was used, or its term has ended."""

    code = Code.CODE_EXPIRED


class CodeUnknown(NotFound):
    """There is no such handoff code."""
