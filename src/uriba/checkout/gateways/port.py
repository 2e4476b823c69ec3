"""The port to payment providers."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import msgspec

CASH = "CASH"
"""Paid in cash at a till, without a provider."""

EXTERNAL = "EXTERNAL"
"""Paid to the channel that an order was imported from, which also refunds it. Only the hub itself may use it."""


REFUND_FAILED = "refund.failed"
"""The kind of an event: a refund that the provider had accepted did not reach the customer."""


class Declined(Exception):
    """The provider refused the call for good."""


class GatewayUnreachable(Exception):
    """The provider did not answer: the call may or may not have taken effect."""


class InvalidSignature(Exception):
    """The webhook was not signed by the provider."""


class ChargeState(StrEnum):
    """The state of a charge. ACTION waits for the customer's second step, AUTHORIZED for a capture by the hub."""

    ACTION = "ACTION"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"


class ChargeResult(msgspec.Struct, frozen=True, kw_only=True):
    """A charge as the provider has it.

    `reference`: the provider's id of the charge. `event`: an id of this state of the charge, which is the same in an
    answer, in a webhook and in a later query. `action`: data of the second step for the customer's
    device, such as `url`.
    """

    state: ChargeState
    reference: str
    event: str
    action: Mapping[str, str] | None = None


class ProviderEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A notice that the charge with this key of the hub changed. Its state has to be fetched from the provider."""

    event: str
    key: str
    kind: str


class PaymentGateway(Protocol):
    """A payment provider. Calls carry the hub's keys: calls with the same key charge, capture or refund once.

    Calls about an existing charge also carry its amount, currency and the `reference` of its result where these are
    known, for providers that cannot find a charge by its key alone.
    """

    multicapture: bool
    """Whether an authorized charge can be captured in parts. Else it is captured once, and the rest is released."""

    def check_token(self, token: str | None) -> str | None:
        """Return a sentence that says what is wrong with a token, or None. Calls no provider."""

    async def charge(
        self, *, key: str, amount_minor: int, currency: str, token: str | None, capture: bool
    ) -> ChargeResult:
        """Capture the money, or only authorize it. Errors: `Declined`, `GatewayUnreachable`."""

    async def find(
        self,
        *,
        key: str,
        amount_minor: int | None = None,
        currency: str | None = None,
        reference: str | None = None,
    ) -> ChargeResult | None:
        """Return the charge; None where it does not exist or can no longer be paid. Errors: `GatewayUnreachable`."""

    async def void(
        self,
        *,
        key: str,
        amount_minor: int | None = None,
        currency: str | None = None,
        reference: str | None = None,
    ) -> None:
        """Make sure that nothing is charged under this key, now or later. Captured money is refunded in full.

        Errors: `GatewayUnreachable`.
        """

    async def capture(
        self, *, key: str, operation: str, amount_minor: int, currency: str, reference: str | None = None
    ) -> str:
        """Capture part of an authorized charge; return the provider's reference.

        Errors: `Declined`, `GatewayUnreachable`.
        """

    async def refund(
        self, *, key: str, operation: str, amount_minor: int, currency: str, reference: str | None = None
    ) -> str:
        """Refund part of a captured charge; return the provider's reference. Errors: as `capture`."""

    def parse_event(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent | None:
        """Return the event of a webhook; None where it is about no charge of the hub. Errors: `InvalidSignature`."""
