"""The schema: the fields of every domain on the three root types."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import strawberry
from strawberry.extensions import DisableIntrospection, SchemaExtension
from strawberry.schema.config import StrawberryConfig

from uriba.config import Settings
from uriba.graphql.cart.mutations import CartMutations
from uriba.graphql.cart.queries import CartQueries
from uriba.graphql.cart.subscriptions import CartSubscriptions
from uriba.graphql.catalog.mutations import CatalogMutations
from uriba.graphql.catalog.queries import CatalogQueries
from uriba.graphql.catalog.types import Channel, Location, Product, Variant
from uriba.graphql.checkout.queries import CheckoutQueries
from uriba.graphql.connectors.mutations import ConnectorMutations
from uriba.graphql.connectors.queries import ConnectorQueries
from uriba.graphql.customers.mutations import CustomerMutations
from uriba.graphql.customers.queries import CustomerQueries
from uriba.graphql.customers.types import Customer
from uriba.graphql.documents.queries import DocumentQueries
from uriba.graphql.engine import limits
from uriba.graphql.engine.errors import PublicErrors
from uriba.graphql.engine.schema import AcceptText, Schema
from uriba.graphql.health.mutations import HealthMutations
from uriba.graphql.health.queries import HealthQueries
from uriba.graphql.health.subscriptions import HealthSubscriptions
from uriba.graphql.inventory.mutations import InventoryMutations
from uriba.graphql.inventory.queries import InventoryQueries
from uriba.graphql.inventory.subscriptions import InventorySubscriptions
from uriba.graphql.inventory.transfer_mutations import TransferMutations
from uriba.graphql.inventory.transfers import StockTransfer, TransferQueries
from uriba.graphql.inventory.types import StockLevel, StockMovement
from uriba.graphql.nodes import NodeQueries
from uriba.graphql.orders.after_sales import AfterSalesMutations
from uriba.graphql.orders.fulfillments import Fulfillment
from uriba.graphql.orders.mutations import OrderMutations
from uriba.graphql.orders.payments import Payment
from uriba.graphql.orders.queries import OrderQueries
from uriba.graphql.orders.subscriptions import OrderSubscriptions
from uriba.graphql.pos.mutations import PosMutations
from uriba.graphql.pos.pull import PosPullQueries
from uriba.graphql.pos.queries import PosQueries
from uriba.graphql.pricing.mutations import PricingMutations
from uriba.graphql.pricing.queries import PricingQueries
from uriba.graphql.scalars import DATE_TIME, DECIMAL, DecimalString
from uriba.graphql.stored_value.mutations import StoredValueMutations
from uriba.graphql.stored_value.queries import StoredValueQueries
from uriba.graphql.webhooks.mutations import WebhookMutations
from uriba.graphql.webhooks.queries import WebhookQueries
from uriba.graphql.webhooks.subscriptions import WebhookSubscriptions
from uriba.graphql.webhooks.types import Delivery, Endpoint


@strawberry.type
class Query(
    CatalogQueries,
    CustomerQueries,
    CartQueries,
    CheckoutQueries,
    OrderQueries,
    DocumentQueries,
    InventoryQueries,
    TransferQueries,
    PosQueries,
    PosPullQueries,
    PricingQueries,
    StoredValueQueries,
    WebhookQueries,
    ConnectorQueries,
    HealthQueries,
    NodeQueries,
):
    """Everything that can be read."""


@strawberry.type
class Mutation(
    CatalogMutations,
    CustomerMutations,
    CartMutations,
    OrderMutations,
    AfterSalesMutations,
    InventoryMutations,
    TransferMutations,
    PosMutations,
    PricingMutations,
    StoredValueMutations,
    WebhookMutations,
    ConnectorMutations,
    HealthMutations,
):
    """Everything that can be changed."""


@strawberry.type
class Subscription(
    CartSubscriptions, OrderSubscriptions, InventorySubscriptions, WebhookSubscriptions, HealthSubscriptions
):
    """Everything that can be followed: the present state first, then every change."""


def api_schema(settings: Settings) -> Schema:
    """Build the schema with the limits of these settings."""
    extensions: list[Callable[[], SchemaExtension]] = [PublicErrors, *limits.extensions(settings), AcceptText]
    if not settings.has_introspection:
        extensions.append(DisableIntrospection)
    return Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[
            Channel,
            Location,
            Product,
            Variant,
            Customer,
            StockLevel,
            StockMovement,
            StockTransfer,
            Fulfillment,
            Payment,
            Endpoint,
            Delivery,
        ],
        extensions=extensions,
        cost_max=settings.query_cost_max,
        config=StrawberryConfig(
            scalar_map={DecimalString: DECIMAL, datetime: DATE_TIME},
            disable_field_suggestions=not settings.has_introspection,
        ),
    )


def sdl() -> str:
    """Return the schema in GraphQL's schema language, as in `schema/schema.graphql`."""
    return api_schema(Settings()).as_str() + "\n"
