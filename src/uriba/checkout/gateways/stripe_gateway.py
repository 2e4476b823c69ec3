"""The provider STRIPE: cards through Stripe's PaymentIntents, by its official library.

A charge is two calls. The first creates an intent and moves no money; the second confirms it with the customer's means
of payment. Whatever answer is lost, the first can therefore be repeated to learn which intent it was: Stripe answers
the same key and parameters with the same intent (docs.stripe.com/api/idempotent_requests). An intent that is cancelled
refuses to be confirmed for ever, so a call that is still on its way charges nobody after `void`.

Stripe keeps keys for a day. What is older is found by its reference, or by the hub's key in its metadata: that search
is late by up to a minute, which does not matter after a day.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import stripe
import structlog

from uriba.checkout.gateways import stripe_amounts, stripe_mapping
from uriba.checkout.gateways.port import Answer, Declined, GatewayUnreachable, NotGenuine, ProviderEvent
from uriba.checkout.gateways.stripe_mapping import AMOUNT, CHARGE, OPERATION, in_our_words
from uriba.core import clock

if TYPE_CHECKING:
    from stripe.params import PaymentIntentConfirmParams

STRIPE = "STRIPE"

TOLERANCE_S = 300
"""An event is signed with its time: one that is older may be a recording."""

KEY_TERM_S = 23 * 3_600
"""Stripe forgets keys after 24 hours; clocks differ."""

NOT_TAKEN = "The payment provider does not take this payment."
CANNOT_PAY = "This means of payment cannot be used here."

_TOKEN = re.compile(r"pm_[A-Za-z0-9_]{1,200}", re.ASCII)

_TRIES = 3
"""How often `void` looks again because the intent went on between look and cancel."""

log = structlog.get_logger()


class StripeProvider:
    """Stripe with one account's keys. Nothing is repeated in here: who asks again, asks with the same key."""

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
        return None if token and _TOKEN.fullmatch(token) else "Stripe takes the id of a PaymentMethod: pm_..."

    async def charge(self, *, key: str, amount_minor: int, currency: str, token: str | None, capture: bool) -> Answer:
        assert token is not None
        with in_our_words():
            intent = await self._intent(key, amount_minor, currency)
            if intent is None:
                raise Declined(NOT_TAKEN)
            if stripe_mapping.untried(intent):
                intent = await self._confirm(intent.id, key, token, capture)
        answer = stripe_mapping.answer(intent)
        if answer is None:
            raise Declined(stripe_mapping.refusal(intent))
        return answer

    async def find(
        self, *, key: str, amount_minor: int | None = None, currency: str | None = None, reference: str | None = None
    ) -> Answer | None:
        with in_our_words():
            intent = await self._intent(key, amount_minor, currency, reference)
        return None if intent is None else stripe_mapping.answer(intent)

    async def void(
        self, *, key: str, amount_minor: int | None = None, currency: str | None = None, reference: str | None = None
    ) -> None:
        with in_our_words():
            intent = await self._intent(key, amount_minor, currency, reference)
            for _ in range(_TRIES):
                if intent is None or intent.status == "canceled" or stripe_mapping.given_back(intent):
                    return
                intent = await self._undo(intent)
        raise GatewayUnreachable(f"Stripe: the intent is {intent.status if intent else 'gone'}")

    async def capture(
        self, *, key: str, operation: str, amount_minor: int, currency: str, reference: str | None = None
    ) -> str:
        amount = stripe_amounts.units(amount_minor, currency)
        with in_our_words():
            intent_id = await self._reference(key, reference)
            try:
                await self._api.payment_intents.capture_async(
                    intent_id, {"amount_to_capture": amount}, {"idempotency_key": operation}
                )
            except stripe.InvalidRequestError as error:
                intent = await self._look(intent_id)
                if intent.status != "succeeded" or intent.amount_received != amount:
                    raise Declined(error.user_message or NOT_TAKEN) from error
        return intent_id

    async def refund(
        self, *, key: str, operation: str, amount_minor: int, currency: str, reference: str | None = None
    ) -> str:
        with in_our_words():
            intent_id = await self._reference(key, reference)
            before_minor = 0
            async for earlier in await self._refunds(intent_id):
                if (written := stripe_mapping.written(earlier)).get(OPERATION) == operation:
                    return stripe_mapping.refunded(earlier)
                if earlier.status not in ("failed", "canceled"):
                    before_minor += int(written.get(AMOUNT, "0"))
            amount = stripe_amounts.movement(amount_minor, before_minor, currency)
            return await self._refund(intent_id, key, operation, amount, amount_minor) if amount else intent_id

    def parse_event(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent | None:
        try:
            stripe.WebhookSignature.verify_header(
                body, headers.get("stripe-signature"), self._webhook_secret, TOLERANCE_S
            )
        except (stripe.SignatureVerificationError, UnicodeDecodeError, TypeError) as error:
            raise NotGenuine from error
        return stripe_mapping.heard(body)

    async def _intent(
        self, key: str, amount_minor: int | None, currency: str | None, reference: str | None = None
    ) -> stripe.PaymentIntent | None:
        """The charge's intent as it is now; None where it never came to one that could be confirmed."""
        if reference is not None:
            return await self._look(reference)
        if amount_minor is None or currency is None or _age_s(key) > KEY_TERM_S:
            return await self._search(key)
        return await self._create(key, amount_minor, currency)

    async def _create(self, key: str, amount_minor: int, currency: str) -> stripe.PaymentIntent | None:
        try:
            intent = await self._api.payment_intents.create_async(
                {
                    "amount": stripe_amounts.units(amount_minor, currency),
                    "currency": currency.lower(),
                    "allowed_payment_method_types": ["card"],
                    "metadata": {CHARGE: key},
                },
                {"idempotency_key": key},
            )
        except stripe.InvalidRequestError as error:
            log.warning("Stripe takes no such payment", code=error.code, param=error.param)
            return None
        except stripe.IdempotencyError:
            # Begun with other parameters, by another version of the hub perhaps: there is one, then.
            if (found := await self._search(key)) is None:
                raise
            return found
        except stripe.APIError as error:
            # The first answer to this key was a fault, so nobody knows the intent, and nobody will confirm it.
            if stripe_mapping.replayed(error.headers):
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
                log.warning("Stripe takes no such means of payment", code=error.code, param=error.param)
                raise Declined(CANNOT_PAY) from error
            return await self._look(intent_id)
        return await self._current(intent)

    async def _undo(self, intent: stripe.PaymentIntent) -> stripe.PaymentIntent:
        """Cancel an intent, or refund what it took; the intent afterwards.

        Without a key of the hub's: both can be done once only by their nature, and a key would repeat an old refusal.
        """
        try:
            if intent.status == "succeeded":
                await self._api.refunds.create_async(
                    {"payment_intent": intent.id, "metadata": stripe_mapping.written(intent)}
                )
            else:
                return await self._api.payment_intents.cancel_async(intent.id)
        except stripe.InvalidRequestError as error:
            log.warning("Stripe did not call a charge off", code=error.code, status=intent.status)
        return await self._look(intent.id)

    async def _refund(self, intent_id: str, key: str, operation: str, amount: int, amount_minor: int) -> str:
        try:
            refund = await self._api.refunds.create_async(
                {
                    "payment_intent": intent_id,
                    "amount": amount,
                    "metadata": {CHARGE: key, OPERATION: operation, AMOUNT: str(amount_minor)},
                },
                {"idempotency_key": operation},
            )
        except stripe.InvalidRequestError as error:
            raise Declined(error.user_message or NOT_TAKEN) from error
        return stripe_mapping.refunded(refund)

    async def _refunds(self, intent_id: str) -> Any:
        page = await self._api.refunds.list_async({"payment_intent": intent_id, "limit": 100})
        return page.auto_paging_iter()

    async def _reference(self, key: str, reference: str | None) -> str:
        if reference is None and (intent := await self._search(key)) is not None:
            return intent.id
        if reference is None:
            raise GatewayUnreachable("Stripe's search does not know the charge yet")
        return reference

    async def _search(self, key: str) -> stripe.PaymentIntent | None:
        found = await self._api.payment_intents.search_async({"query": f"metadata['{CHARGE}']:'{key}'", "limit": 1})
        return await self._look(found.data[0].id) if found.data else None

    async def _current(self, intent: stripe.PaymentIntent) -> stripe.PaymentIntent:
        """An answer that Stripe repeats is of the first time."""
        repeated = intent.last_response is not None and stripe_mapping.replayed(intent.last_response.headers)
        return await self._look(intent.id) if repeated else intent

    async def _look(self, intent_id: str) -> stripe.PaymentIntent:
        return await self._api.payment_intents.retrieve_async(intent_id, {"expand": ["latest_charge"]})


def _age_s(key: str) -> float:
    """How long ago a charge was agreed: its key begins with a UUID of version 7, which begins with the time."""
    return clock.now().timestamp() - (UUID(key[:36]).int >> 80) / 1_000
