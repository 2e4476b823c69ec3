"""What others hear of carts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from uriba.outbox import Event


@dataclass(frozen=True, slots=True)
class CartCreated(Event):
    """A cart was begun."""

    type: ClassVar[str] = "cart.created"


@dataclass(frozen=True, slots=True)
class CartUpdated(Event):
    """Lines, owner or ways of fulfilling changed."""

    type: ClassVar[str] = "cart.updated"


@dataclass(frozen=True, slots=True)
class CartHandedOff(Event):
    """Another device or a till took the cart with a code."""

    type: ClassVar[str] = "cart.handed_off"


@dataclass(frozen=True, slots=True)
class CartMerged(Event):
    """Another cart's lines came into this one."""

    type: ClassVar[str] = "cart.merged"


@dataclass(frozen=True, slots=True)
class CartOrdered(Event):
    """The cart became an order."""

    type: ClassVar[str] = "cart.ordered"


def cart_subject(cart_id: UUID) -> str:
    return f"Cart:{cart_id}"
