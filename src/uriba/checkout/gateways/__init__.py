"""Payment providers: the port, and those that the hub brings."""

from uriba.checkout.gateways.port import Declined, GatewayUnreachable, PaymentGateway

__all__ = ["Declined", "GatewayUnreachable", "PaymentGateway"]
