"""Who is calling."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """The kinds of caller, from the least trusted."""

    ANONYMOUS = "ANONYMOUS"
    CUSTOMER = "CUSTOMER"
    TERMINAL = "TERMINAL"
    APP = "APP"
    STAFF = "STAFF"
    SYSTEM = "SYSTEM"


class Scope(StrEnum):
    """What an app's key may do beyond its channel's carts and orders."""

    CATALOG = "catalog"
    CUSTOMERS = "customers"
    INVENTORY = "inventory"


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller of an operation, as its key (or the lack of one) says.

    `channel_id` is the channel that the key is bound to; a terminal's is the STORE channel that lists its location.
    `address` is the network address that an anonymous caller is told apart by.
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
        """The scope of idempotency keys and of rate limits."""
        match self.role:
            case Role.ANONYMOUS:
                return f"anonymous:{self.address}"
            case Role.CUSTOMER:
                return f"customer:{self.customer_id}"
            case _:
                return f"{self.role.lower()}:{self.key_id}"

    @property
    def label(self) -> str:
        """Who did it, as ledger and timeline keep it: a key by its id, a customer or guest without any detail."""
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
        """Terminals, apps and staff are the retailer's own; guests and customers are not."""
        return self.role in TRUSTED


TRUSTED = frozenset({Role.TERMINAL, Role.APP, Role.STAFF, Role.SYSTEM})
ANYONE = frozenset(Role)
SYSTEM = Actor(Role.SYSTEM, key_id="hub", name="hub")
