"""The port that every payment provider is reached through."""

from __future__ import annotations

from typing import Protocol

CASH = "CASH"
"""Taken at a till; no provider is asked."""


class Declined(Exception):
    """The provider said no, for good."""


class GatewayUnreachable(Exception):
    """No answer: the charge may or may not stand."""


class PaymentGateway(Protocol):
    """A provider. Every call carries the hub's key of the charge; the same key is the same charge."""

    def check_token(self, token: str | None) -> str | None:
        """What is wrong with a token, as a sentence, before anything is done; None where nothing is."""

    async def capture(self, *, key: str, amount_minor: int, currency: str, token: str | None) -> str:
        """Charge; the provider's reference. Errors: `Declined`, `GatewayUnreachable`."""

    async def find(self, *, key: str) -> str | None:
        """The reference of a captured charge, None where there is none. Errors: `GatewayUnreachable`."""

    async def void(self, *, key: str) -> None:
        """Make sure that nothing is charged under this key, now or later. Errors: `GatewayUnreachable`."""
