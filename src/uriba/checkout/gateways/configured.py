"""The payment providers of a hub, by its settings."""

from __future__ import annotations

from pydantic import SecretStr

from uriba.checkout.gateways.port import PaymentGateway
from uriba.checkout.gateways.sandbox_gateway import TestProvider
from uriba.config import Settings
from uriba.db import Database


def gateways(database: Database, settings: Settings) -> dict[str, PaymentGateway]:
    """The payment providers that these settings allow."""
    found: dict[str, PaymentGateway] = {"TEST": TestProvider(database)} if settings.has_sandbox else {}
    if settings.stripe_secret_key:
        found["STRIPE"] = _stripe(settings, settings.stripe_secret_key)
    return found


def _stripe(settings: Settings, secret_key: SecretStr) -> PaymentGateway:
    """Its library takes half a second to import: only hubs that use it wait for it."""
    from uriba.checkout.gateways.stripe_gateway import StripeProvider

    signing = settings.stripe_webhook_secret
    return StripeProvider(
        secret_key=secret_key.get_secret_value(),
        webhook_secret=signing.get_secret_value() if signing else None,
        timeout_s=settings.gateway_timeout_s,
        api_base=settings.stripe_api_base,
        return_url=settings.stripe_return_url,
    )
