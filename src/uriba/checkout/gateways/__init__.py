"""Payment providers: the port, and those that the hub brings."""

from uriba.checkout.gateways.port import (
    Answer,
    ChargeState,
    Declined,
    GatewayUnreachable,
    NotGenuine,
    PaymentGateway,
    ProviderEvent,
)

__all__ = [
    "Answer",
    "ChargeState",
    "Declined",
    "GatewayUnreachable",
    "NotGenuine",
    "PaymentGateway",
    "ProviderEvent",
]
