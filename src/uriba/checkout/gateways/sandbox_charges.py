"""What the provider TEST shows its customers of a charge."""

from __future__ import annotations

import msgspec

from uriba.db import Session


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A charge in the book of the provider TEST."""

    key: str
    status: str
    amount_minor: int
    currency: str

    @property
    def waits(self) -> bool:
        """Whether its customer has to decide."""
        return self.status.startswith("ACTION")


async def look(session: Session, *, key: str) -> Shown | None:
    """The charge with this key of the hub's."""
    row = await session.fetchrow("SELECT key, status, amount_minor, currency FROM sandbox_charge WHERE key = $1", key)
    return None if row is None else msgspec.convert(dict(row), Shown)
