"""The gateway STRIPE: cards through Stripe's PaymentIntents, with its official library.

A charge is two calls. The first creates an intent and moves no money; the second confirms it with the customer's
payment method. If an answer is lost, the first call can be repeated to find the intent: Stripe answers the same key and
parameters with the same intent (docs.stripe.com/api/idempotent_requests). A canceled intent can never be confirmed, so
a call that is still in flight charges nothing after `void`.

Stripe keeps keys for a day. Older charges are found by their reference, or by the hub's key in their metadata. That
search lags by up to a minute, which does not matter after a day.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import stripe
import structlog

from uriba.checkout.gateways import stripe_amounts, stripe_mapping
from uriba.checkout.gateways.port import (
    ChargeResult,
    Declined,
    GatewayUnreachable,
    InvalidSignature,
    ProviderEvent,
)
from uriba.checkout.gateways.stripe_mapping import (
    AMOUNT_KEY,
    CHARGE_KEY,
    OPERATION_KEY,
    translate_stripe_errors,
)
from uriba.core import clock

if TYPE_CHECKING:
    from stripe.params import PaymentIntentConfirmParams

STRIPE = "STRIPE"

TOLERANCE_S = 300
"""Maximum age of a webhook, whose signature covers its time. Older ones may be replayed by an attacker."""

KEY_TERM_S = 23 * 3_600
"""Stripe drops keys after 24 hours. One hour less, because clocks differ."""

NOT_ACCEPTED = "The payment provider does not accept this payment."
CANNOT_PAY = "This payment method cannot be used here. Choose another one."

_TOKEN = re.compile(r"pm_[A-Za-z0-9_]{1,200}", re.ASCII)

VOID_ATTEMPTS_MAX = 3
"""How often `void` tries again where the intent changed between reading and canceling it."""

log = structlog.get_logger()


class StripeGateway:
    """The gateway of one Stripe account. It retries nothing: callers repeat calls with the same key."""

    multicapture = False

    def __init__(
        self,
        *,
        secret_key: str,
        webhook_secret: str | None,
        timeout_s: float,
        api_base: str = stripe.DEFAULT_API_BASE,
        return_url: str | None = None,
    ) -> None:
        self._webhook_secret = webhook_secret
        self._return_url = return_url
        self._http = stripe.HTTPXClient(timeout=timeout_s)
        self._api = stripe.StripeClient(
            secret_key, http_client=self._http, base_addresses={"api": api_base}, max_network_retries=0
        ).v1

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]

    def check_token(self, token: str | None) -> str | None:
        return (
            None if token and _TOKEN.fullmatch(token) else "Give the id of a Stripe PaymentMethod as the token: pm_..."
        )

    async def charge(
        self, *, key: str, amount_minor: int, currency: str, token: str | None, capture: bool
    ) -> ChargeResult:
        assert token is not None
        with translate_stripe_errors():
            intent = await self._intent(key, amount_minor, currency)
            if intent is None:
                raise Declined(NOT_ACCEPTED)
            if stripe_mapping.is_unconfirmed(intent):
                intent = await self._confirm(intent.id, key, token, capture)
        result = stripe_mapping.charge_result(intent)
        if result is None:
            raise Declined(stripe_mapping.decline_message(intent))
        return result

    async def find(
        self, *, key: str, amount_minor: int | None = None, currency: str | None = None, reference: str | None = None
    ) -> ChargeResult | None:
        with translate_stripe_errors():
            intent = await self._intent(key, amount_minor, currency, reference)
        return None if intent is None else stripe_mapping.charge_result(intent)

    async def void(
        self, *, key: str, amount_minor: int | None = None, currency: str | None = None, reference: str | None = None
    ) -> None:
        with translate_stripe_errors():
            intent = await self._intent(key, amount_minor, currency, reference)
            for _ in range(VOID_ATTEMPTS_MAX):
                if intent is None or intent.status == "canceled" or stripe_mapping.is_refunded(intent):
                    return
                intent = await self._undo(intent)
        raise GatewayUnreachable(f"Stripe: the intent is {intent.status if intent else 'gone'}")

    async def capture(
        self, *, key: str, operation: str, amount_minor: int, currency: str, reference: str | None = None
    ) -> str:
        amount = stripe_amounts.to_stripe_units(amount_minor, currency)
        with translate_stripe_errors():
            intent_id = await self._reference(key, reference)
            try:
                await self._api.payment_intents.capture_async(
                    intent_id, {"amount_to_capture": amount}, {"idempotency_key": operation}
                )
            except stripe.InvalidRequestError as error:
                intent = await self._retrieve(intent_id)
                if intent.status != "succeeded" or intent.amount_received != amount:
                    raise Declined(error.user_message or NOT_ACCEPTED) from error
        return intent_id

    async def refund(
        self, *, key: str, operation: str, amount_minor: int, currency: str, reference: str | None = None
    ) -> str:
        with translate_stripe_errors():
            intent_id = await self._reference(key, reference)
            before_minor = 0
            async for earlier in await self._refunds(intent_id):
                if (metadata := stripe_mapping.metadata_of(earlier)).get(OPERATION_KEY) == operation:
                    return stripe_mapping.refund_reference(earlier)
                if earlier.status not in ("failed", "canceled"):
                    before_minor += int(metadata.get(AMOUNT_KEY, "0"))
            amount = stripe_amounts.partial_stripe_units(amount_minor, before_minor, currency)
            return await self._refund(intent_id, key, operation, amount, amount_minor) if amount else intent_id

    def parse_event(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent | None:
        try:
            stripe.WebhookSignature.verify_header(
                body, headers.get("stripe-signature"), self._webhook_secret, TOLERANCE_S
            )
        except (stripe.SignatureVerificationError, UnicodeDecodeError, TypeError) as error:
            raise InvalidSignature from error
        return stripe_mapping.parse_event(body)

    async def _intent(
        self, key: str, amount_minor: int | None, currency: str | None, reference: str | None = None
    ) -> stripe.PaymentIntent | None:
        """Return the present intent of a charge; None where no intent exists that could be confirmed."""
        if reference is not None:
            return await self._retrieve(reference)
        if amount_minor is None or currency is None or _age_s(key) > KEY_TERM_S:
            return await self._search(key)
        return await self._create(key, amount_minor, currency)

    async def _create(self, key: str, amount_minor: int, currency: str) -> stripe.PaymentIntent | None:
        try:
            intent = await self._api.payment_intents.create_async(
                {
                    "amount": stripe_amounts.to_stripe_units(amount_minor, currency),
                    "currency": currency.lower(),
                    "allowed_payment_method_types": ["card"],
                    "metadata": {CHARGE_KEY: key},
                },
                {"idempotency_key": key},
            )
        except stripe.InvalidRequestError as error:
            log.warning("Stripe rejected the creation of an intent", code=error.code, param=error.param)
            return None
        except stripe.IdempotencyError:
            # The key was used with other parameters, perhaps by another version of the hub: an intent exists.
            if (found := await self._search(key)) is None:
                raise
            return found
        except stripe.APIError as error:
            # The first answer to this key was an error, so no caller knows the intent and none will confirm it.
            if stripe_mapping.is_replayed(error.headers):
                return None
            raise
        return await self._current(intent)

    async def _confirm(self, intent_id: str, key: str, token: str, capture: bool) -> stripe.PaymentIntent:
        params: PaymentIntentConfirmParams = {
            "payment_method": token,
            "capture_method": "automatic" if capture else "manual",
        }
        if self._return_url:
            params["return_url"] = self._return_url
        else:
            params["use_stripe_sdk"] = True
        try:
            intent = await self._api.payment_intents.confirm_async(
                intent_id, params, {"idempotency_key": f"{key}:confirm"}
            )
        except stripe.InvalidRequestError as error:
            if error.code != "payment_intent_unexpected_state":
                log.warning("Stripe rejected a payment method", code=error.code, param=error.param)
                raise Declined(CANNOT_PAY) from error
            return await self._retrieve(intent_id)
        return await self._current(intent)

    async def _undo(self, intent: stripe.PaymentIntent) -> stripe.PaymentIntent:
        """Cancel an intent, or refund what it captured; return the intent afterwards.

        Sent without an idempotency key: neither can happen twice, and a key would repeat an earlier refusal.
        """
        try:
            if intent.status == "succeeded":
                await self._api.refunds.create_async(
                    {"payment_intent": intent.id, "metadata": stripe_mapping.metadata_of(intent)}
                )
            else:
                return await self._api.payment_intents.cancel_async(intent.id)
        except stripe.InvalidRequestError as error:
            log.warning("Stripe did not cancel or refund a charge", code=error.code, status=intent.status)
        return await self._retrieve(intent.id)

    async def _refund(self, intent_id: str, key: str, operation: str, amount: int, amount_minor: int) -> str:
        try:
            refund = await self._api.refunds.create_async(
                {
                    "payment_intent": intent_id,
                    "amount": amount,
                    "metadata": {CHARGE_KEY: key, OPERATION_KEY: operation, AMOUNT_KEY: str(amount_minor)},
                },
                {"idempotency_key": operation},
            )
        except stripe.InvalidRequestError as error:
            raise Declined(error.user_message or NOT_ACCEPTED) from error
        return stripe_mapping.refund_reference(refund)

    async def _refunds(self, intent_id: str) -> Any:
        page = await self._api.refunds.list_async({"payment_intent": intent_id, "limit": 100})
        return page.auto_paging_iter()

    async def _reference(self, key: str, reference: str | None) -> str:
        if reference is None and (intent := await self._search(key)) is not None:
            return intent.id
        if reference is None:
            raise GatewayUnreachable("Stripe's search does not find the charge yet")
        return reference

    async def _search(self, key: str) -> stripe.PaymentIntent | None:
        found = await self._api.payment_intents.search_async({"query": f"metadata['{CHARGE_KEY}']:'{key}'", "limit": 1})
        return await self._retrieve(found.data[0].id) if found.data else None

    async def _current(self, intent: stripe.PaymentIntent) -> stripe.PaymentIntent:
        """Return the present intent: an answer that Stripe repeats has the state of the first call."""
        repeated = intent.last_response is not None and stripe_mapping.is_replayed(intent.last_response.headers)
        return await self._retrieve(intent.id) if repeated else intent

    async def _retrieve(self, intent_id: str) -> stripe.PaymentIntent:
        return await self._api.payment_intents.retrieve_async(intent_id, {"expand": ["latest_charge"]})


def _age_s(key: str) -> float:
    """Return the age of a charge. Its key begins with a UUID of version 7, which begins with the time."""
    return clock.now().timestamp() - (UUID(key[:36]).int >> 80) / 1_000
