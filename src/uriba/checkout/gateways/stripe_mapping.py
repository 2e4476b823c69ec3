"""Translate Stripe's objects, errors and events to those of the port. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec
import stripe

from uriba.checkout.gateways.port import ChargeResult, ChargeState, Declined, GatewayUnreachable, ProviderEvent

CHARGE_KEY, OPERATION_KEY, AMOUNT_KEY = "uriba_charge", "uriba_operation", "uriba_minor"
"""Metadata keys on Stripe's objects: the hub's keys of the charge and the operation, and its minor units."""

DECLINED = "The card was declined."
CANCELED = "This charge was canceled."

_STATES = {
    "requires_action": ChargeState.ACTION,
    "requires_capture": ChargeState.AUTHORIZED,
    "succeeded": ChargeState.CAPTURED,
}
_EVENT_TYPES = frozenset(
    {
        "payment_intent.requires_action",
        "payment_intent.amount_capturable_updated",
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "refund.failed",
    }
)


@contextmanager
def translate_stripe_errors() -> Iterator[None]:
    """Raise Stripe's errors as those of the port. Their texts contain no key and no card number."""
    try:
        yield
    except stripe.CardError as error:
        raise Declined(error.user_message or DECLINED) from error
    except stripe.StripeError as error:
        summary = (
            f"Stripe: {type(error).__name__} {error.http_status or ''} {error.code or ''} {error.request_id or ''}"
        )
        raise GatewayUnreachable(" ".join(summary.split())) from error


def charge_result(intent: stripe.PaymentIntent) -> ChargeResult | None:
    """Return the intent as a charge; None where it can no longer be paid. Errors: `GatewayUnreachable`."""
    if intent.status == "processing":
        raise GatewayUnreachable("Stripe: the payment is being processed")
    state = _STATES.get(intent.status)
    if state is None or is_refunded(intent):
        return None
    action = _action(intent) if state is ChargeState.ACTION else None
    return ChargeResult(state=state, reference=intent.id, event=_event_id(intent.id, intent.status), action=action)


def _action(intent: stripe.PaymentIntent) -> dict[str, str]:
    """Return the data of the second step: the intent's secret for Stripe's client library, and the bank's page."""
    action = {"clientSecret": intent.client_secret} if intent.client_secret else {}
    page = getattr(intent.next_action, "redirect_to_url", None)
    return {**action, "url": page.url} if page is not None and page.url else action


def is_unconfirmed(intent: stripe.PaymentIntent) -> bool:
    """Whether no payment of the intent has been attempted yet."""
    return intent.status in ("requires_payment_method", "requires_confirmation") and intent.last_payment_error is None


def is_refunded(intent: stripe.PaymentIntent) -> bool:
    """Whether the whole captured amount was refunded. Known only where `latest_charge` was expanded."""
    charge = intent.latest_charge
    return isinstance(charge, stripe.Charge) and charge.refunded


def decline_message(intent: stripe.PaymentIntent) -> str:
    """Return a sentence for the customer that says why the intent cannot be paid."""
    if intent.status == "canceled" or is_refunded(intent):
        return CANCELED
    return (intent.last_payment_error and intent.last_payment_error.message) or DECLINED


def refund_reference(refund: stripe.Refund) -> str:
    """Return the reference of a refund. Errors: `Declined` where it failed or was canceled."""
    if refund.status in ("failed", "canceled"):
        raise Declined(f"Stripe could not refund the money: the refund is {refund.status}.")
    return refund.id


def metadata_of(item: stripe.PaymentIntent | stripe.Refund) -> dict[str, str]:
    """Return the metadata that the hub wrote on an object of Stripe."""
    return item.metadata.to_dict() if item.metadata else {}


def is_replayed(headers: Mapping[str, str] | None) -> bool:
    """Whether Stripe repeated its first answer to an idempotency key."""
    return headers is not None and headers.get("idempotent-replayed") == "true"


class _EventObject(msgspec.Struct, frozen=True):
    """The object of an event: an intent or a refund."""

    id: str
    status: str | None = None
    metadata: dict[str, str] = {}


class _EventData(msgspec.Struct, frozen=True):
    object: _EventObject


class _Event(msgspec.Struct, frozen=True):
    """The fields of Stripe's event that the hub reads."""

    id: str
    type: str
    data: _EventData


def parse_event(body: bytes) -> ProviderEvent | None:
    """Parse a verified webhook; None where it is about no charge of the hub, or of a type that the hub ignores."""
    try:
        event = msgspec.json.decode(body, type=_Event)
    except msgspec.DecodeError:
        return None
    subject = event.data.object
    if event.type not in _EVENT_TYPES or CHARGE_KEY not in subject.metadata:
        return None
    state = event.type.startswith("payment_intent.") and subject.status
    event_id = _event_id(subject.id, state) if state else event.id
    return ProviderEvent(event=event_id, key=subject.metadata[CHARGE_KEY], kind=event.type)


def _event_id(intent_id: str, status: str) -> str:
    """Return the id of a state, which an answer, a webhook and a query have in common. Stripe's event ids do not."""
    return f"{intent_id}:{status}"
