"""The port that every payment provider is reached through."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import msgspec

CASH = "CASH"
"""Taken at a till; no provider is asked."""

EXTERNAL = "EXTERNAL"
"""Taken by the channel that an order was imported from, which gives it back as well; for the hub itself only."""


REFUND_FAILED = "refund.failed"
"""The kind of an event: money that a provider had promised to give back did not arrive."""


class Declined(Exception):
    """The provider said no, for good."""


class GatewayUnreachable(Exception):
    """No answer: what was asked for may or may not have been done."""


class NotGenuine(Exception):
    """Somebody who is not the provider tells of an event."""


class ChargeState(StrEnum):
    """How far a charge is: ACTION waits for the customer, AUTHORIZED for the hub."""

    ACTION = "ACTION"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A charge as the provider's book has it.

    `reference` is the provider's name of the charge, `event` its name of this state of it: the same in a reply, in a
    webhook and when asked. `action`: what the customer's device needs for the second step, such as `url`.
    """

    state: ChargeState
    reference: str
    event: str
    action: Mapping[str, str] | None = None


class ProviderEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to the charge with this key of the hub's; what, the provider's book says when asked."""

    event: str
    key: str
    kind: str


class PaymentGateway(Protocol):
    """A provider. Calls carry the hub's keys: the same key is the same charge, capture or refund, done once.

    What is known of the charge goes with its key, for providers that do not find it by the key alone: its amount and
    currency as they were asked for, and the `reference` that its answer had.
    """

    multicapture: bool
    """Whether an authorised charge can be captured in parts; else it is captured once, and the rest is let go."""

    def check_token(self, token: str | None) -> str | None:
        """What is wrong with a token, as a sentence, before anything is done; None where nothing is."""

    async def charge(self, *, key: str, amount_minor: int, currency: str, token: str | None, capture: bool) -> Answer:
        """Take the money, or only authorise it. Errors: `Declined`, `GatewayUnreachable`."""

    async def find(
        self,
        *,
        key: str,
        amount_minor: int | None = None,
        currency: str | None = None,
        reference: str | None = None,
    ) -> Answer | None:
        """The charge; None where there is none, or none that can still be paid. Errors: `GatewayUnreachable`."""

    async def void(
        self,
        *,
        key: str,
        amount_minor: int | None = None,
        currency: str | None = None,
        reference: str | None = None,
    ) -> None:
        """Make sure that nothing is charged under this key, now or later; what was taken goes back whole.

        Errors: `GatewayUnreachable`.
        """

    async def capture(
        self, *, key: str, operation: str, amount_minor: int, currency: str, reference: str | None = None
    ) -> str:
        """Take so much of an authorised charge; the provider's reference. Errors: `Declined`, `GatewayUnreachable`."""

    async def refund(
        self, *, key: str, operation: str, amount_minor: int, currency: str, reference: str | None = None
    ) -> str:
        """Give so much of what was captured back; the provider's reference. Errors: as `capture`."""

    def parse_event(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent | None:
        """The event that a webhook tells of, None where it is of no charge. Errors: `NotGenuine`."""
