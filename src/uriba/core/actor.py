"""Callers: their role, and what their key is bound to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """The kinds of caller, from the least trusted to the most trusted."""

    ANONYMOUS = "ANONYMOUS"
    CUSTOMER = "CUSTOMER"
    TERMINAL = "TERMINAL"
    APP = "APP"
    STAFF = "STAFF"
    SYSTEM = "SYSTEM"


class Scope(StrEnum):
    """Rights of an app's key beyond the carts and orders of its channel."""

    CATALOG = "catalog"
    CUSTOMERS = "customers"
    INVENTORY = "inventory"


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller of an operation, as identified by its key.

    `channel_id`: the channel that the key is bound to; for a terminal, the STORE channel that lists its location.
    `address`: the network address, by which anonymous callers are distinguished.
    """

    role: Role
    key_id: str | None = None
    customer_id: UUID | None = None
    location_id: int | None = None
    channel_id: int | None = None
    scopes: frozenset[str] = frozenset()
    address: str = ""
    name: str | None = None

    @property
    def caller(self) -> str:
        """The owner of idempotency keys and rate limits."""
        match self.role:
            case Role.ANONYMOUS:
                return f"anonymous:{self.address}"
            case Role.CUSTOMER:
                return f"customer:{self.customer_id}"
            case _:
                return f"{self.role.lower()}:{self.key_id}"

    @property
    def label(self) -> str:
        """The actor as ledger and timeline record it: the id of a key; of customers and guests only the role."""
        return f"{self.role.lower()}:{self.key_id}" if self.works_here else self.role.lower()

    @property
    def restricted_to_channel(self) -> int | None:
        """The channel whose endpoints, connectors and alerts this caller may see: an app's own; None for all, as staff.

        Other roles have no access to them.
        """
        if self.role is Role.APP:
            assert self.channel_id is not None
            return self.channel_id
        assert self.role in (Role.STAFF, Role.SYSTEM)
        return None

    @property
    def works_here(self) -> bool:
        """Whether the caller belongs to the retailer: terminals, apps and staff do, guests and customers do not."""
        return self.role in TRUSTED

    def may_see_customer(self, customer_id: UUID) -> bool:
        """Return whether the caller may see a customer's data: the retailer may, and the customer themselves."""
        return self.works_here or self.customer_id == customer_id


TRUSTED = frozenset({Role.TERMINAL, Role.APP, Role.STAFF, Role.SYSTEM})
ANYONE = frozenset(Role)
SYSTEM = Actor(Role.SYSTEM, key_id="hub", name="hub")
