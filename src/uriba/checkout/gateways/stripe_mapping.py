"""What Stripe answers and tells, in the port's words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec
import stripe

from uriba.checkout.gateways.port import Answer, ChargeState, Declined, GatewayUnreachable, ProviderEvent

CHARGE, OPERATION, AMOUNT = "uriba_charge", "uriba_operation", "uriba_minor"
"""What the hub writes on Stripe's objects: its key of the charge, of the operation, and its own amount."""

DECLINED = "The card was declined."
CALLED_OFF = "This charge was called off."

_STATES = {
    "requires_action": ChargeState.ACTION,
    "requires_capture": ChargeState.AUTHORIZED,
    "succeeded": ChargeState.CAPTURED,
}
_HEARD = frozenset(
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
def in_our_words() -> Iterator[None]:
    """Stripe's errors as the port's. What they say carries no key and no card."""
    try:
        yield
    except stripe.CardError as error:
        raise Declined(error.user_message or DECLINED) from error
    except stripe.StripeError as error:
        told = f"Stripe: {type(error).__name__} {error.http_status or ''} {error.code or ''} {error.request_id or ''}"
        raise GatewayUnreachable(" ".join(told.split())) from error


def answer(intent: stripe.PaymentIntent) -> Answer | None:
    """The intent as a charge; None where it cannot be paid any more. Errors: `GatewayUnreachable`."""
    if intent.status == "processing":
        raise GatewayUnreachable("Stripe: the payment is being processed")
    state = _STATES.get(intent.status)
    if state is None or given_back(intent):
        return None
    action = _action(intent) if state is ChargeState.ACTION else None
    return Answer(state=state, reference=intent.id, event=_name(intent.id, intent.status), action=action)


def _action(intent: stripe.PaymentIntent) -> dict[str, str]:
    """What the customer's device needs: the intent's secret for Stripe's own code, or the bank's page."""
    action = {"clientSecret": intent.client_secret} if intent.client_secret else {}
    page = getattr(intent.next_action, "redirect_to_url", None)
    return {**action, "url": page.url} if page is not None and page.url else action


def untried(intent: stripe.PaymentIntent) -> bool:
    """Whether nobody has tried to pay it yet."""
    return intent.status in ("requires_payment_method", "requires_confirmation") and intent.last_payment_error is None


def given_back(intent: stripe.PaymentIntent) -> bool:
    """Whether all that was taken has been refunded; known where the charge was looked at too."""
    charge = intent.latest_charge
    return isinstance(charge, stripe.Charge) and charge.refunded


def refusal(intent: stripe.PaymentIntent) -> str:
    """Why an intent cannot be paid, for its customer."""
    if intent.status == "canceled" or given_back(intent):
        return CALLED_OFF
    return (intent.last_payment_error and intent.last_payment_error.message) or DECLINED


def refunded(refund: stripe.Refund) -> str:
    """The refund's reference. Errors: `Declined` where the money did not leave."""
    if refund.status in ("failed", "canceled"):
        raise Declined(f"Stripe could not give the money back: {refund.status}.")
    return refund.id


def written(on: stripe.PaymentIntent | stripe.Refund) -> dict[str, str]:
    """What the hub wrote on one of Stripe's objects."""
    return on.metadata.to_dict() if on.metadata else {}


def replayed(headers: Mapping[str, str] | None) -> bool:
    """Whether Stripe repeats its first answer to a key."""
    return headers is not None and headers.get("idempotent-replayed") == "true"


class _Object(msgspec.Struct, frozen=True):
    """What an event is about."""

    id: str
    status: str | None = None
    metadata: dict[str, str] = {}


class _Data(msgspec.Struct, frozen=True):
    object: _Object


class _Event(msgspec.Struct, frozen=True):
    """As much of Stripe's event as is read."""

    id: str
    type: str
    data: _Data


def heard(body: bytes) -> ProviderEvent | None:
    """A genuine message; None where it is of no charge of the hub's, or of nothing that a checkout waits for."""
    try:
        told = msgspec.json.decode(body, type=_Event)
    except msgspec.DecodeError:
        return None
    about = told.data.object
    if told.type not in _HEARD or CHARGE not in about.metadata:
        return None
    state = told.type.startswith("payment_intent.") and about.status
    event = _name(about.id, state) if state else told.id
    return ProviderEvent(event=event, key=about.metadata[CHARGE], kind=told.type)


def _name(intent_id: str, status: str) -> str:
    """Stripe numbers its messages; the state is what reply, webhook and look have in common."""
    return f"{intent_id}:{status}"
