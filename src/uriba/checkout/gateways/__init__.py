"""Payment gateways: the port to payment providers, and its adapters."""

from uriba.checkout.gateways.port import (
    ChargeResult,
    ChargeState,
    Declined,
    GatewayUnreachable,
    InvalidSignature,
    PaymentGateway,
    ProviderEvent,
)

__all__ = [
    "ChargeResult",
    "ChargeState",
    "Declined",
    "GatewayUnreachable",
    "InvalidSignature",
    "PaymentGateway",
    "ProviderEvent",
]
