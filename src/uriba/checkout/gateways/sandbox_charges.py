"""Charges of the sandbox gateway, as the page for their customer's second step shows and reports them."""

from __future__ import annotations

import msgspec

from uriba.checkout.gateways.port import ProviderEvent
from uriba.checkout.gateways.sandbox_gateway import SIGNATURE_HEADER, sign
from uriba.core.text import has_control
from uriba.db import Session
from uriba.db.statements import statement


class SandboxCharge(msgspec.Struct, frozen=True, kw_only=True):
    """A charge of the sandbox gateway."""

    key: str
    status: str
    amount_minor: int
    currency: str

    @property
    def awaits_decision(self) -> bool:
        """Whether its customer has to approve or refuse it."""
        return self.status.startswith("ACTION")

    @property
    def voided(self) -> bool:
        return self.status == "VOIDED"


async def find_charge(session: Session, *, key: str) -> SandboxCharge | None:
    """Return the charge with this key of the hub's."""
    row = None if has_control(key) else await session.fetchrow(_CHARGE_BY_KEY, key=key)
    return None if row is None else msgspec.convert(dict(row), SandboxCharge)


def signed_event(charge: SandboxCharge) -> tuple[dict[str, str], bytes]:
    """Return the headers and body by which the gateway reports a charge, signed like those of a real provider."""
    event = ProviderEvent(event=f"{charge.key}:{charge.status}", key=charge.key, kind=charge.status)
    body = msgspec.json.encode(event)
    return {SIGNATURE_HEADER: sign(body)}, body


_CHARGE_BY_KEY = statement("SELECT key, status, amount_minor, currency FROM sandbox_charge WHERE key = :key")
