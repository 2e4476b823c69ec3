"""The payment gateways of a hub, by its settings."""

from __future__ import annotations

from pydantic import SecretStr

from uriba.checkout.gateways.port import PaymentGateway
from uriba.checkout.gateways.sandbox_gateway import SandboxGateway
from uriba.config import Settings
from uriba.db import Database


def gateways(database: Database, settings: Settings) -> dict[str, PaymentGateway]:
    """Return the gateways that these settings configure, by method."""
    by_method: dict[str, PaymentGateway] = {"TEST": SandboxGateway(database)} if settings.has_sandbox else {}
    if settings.stripe_secret_key:
        by_method["STRIPE"] = _stripe(settings, settings.stripe_secret_key)
    return by_method


def _stripe(settings: Settings, secret_key: SecretStr) -> PaymentGateway:
    """Return the gateway of Stripe. Imported late: its library takes half a second to import."""
    from uriba.checkout.gateways.stripe_gateway import StripeGateway

    signing = settings.stripe_webhook_secret
    return StripeGateway(
        secret_key=secret_key.get_secret_value(),
        webhook_secret=signing.get_secret_value() if signing else None,
        timeout_s=settings.gateway_timeout_s,
        api_base=settings.stripe_api_base,
        return_url=settings.stripe_return_url,
    )
