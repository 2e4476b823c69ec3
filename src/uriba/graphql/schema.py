"""The schema: every domain's fields under one root."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import strawberry
from graphql import GraphQLObjectType
from strawberry.extensions import DisableIntrospection, SchemaExtension
from strawberry.schema.config import StrawberryConfig

from uriba.config import Settings
from uriba.graphql import limits
from uriba.graphql.cart.mutations import CartMutations
from uriba.graphql.cart.queries import CartQueries
from uriba.graphql.cart.subscriptions import CartSubscriptions
from uriba.graphql.catalog.mutations import CatalogMutations
from uriba.graphql.catalog.queries import CatalogQueries
from uriba.graphql.catalog.types import Channel, Location, Product, Variant
from uriba.graphql.customers.mutations import CustomerMutations
from uriba.graphql.customers.queries import CustomerQueries
from uriba.graphql.customers.types import Customer
from uriba.graphql.errors import PresentErrors
from uriba.graphql.inventory.mutations import InventoryMutations
from uriba.graphql.inventory.queries import InventoryQueries
from uriba.graphql.inventory.subscriptions import InventorySubscriptions
from uriba.graphql.inventory.types import StockLevel, StockMovement
from uriba.graphql.nodes import NodeQueries
from uriba.graphql.orders.mutations import OrderMutations
from uriba.graphql.orders.queries import OrderQueries
from uriba.graphql.orders.subscriptions import OrderSubscriptions
from uriba.graphql.orders.types import Fulfillment, Payment
from uriba.graphql.scalars import DECIMAL, DecimalString


@strawberry.type
class Query(CatalogQueries, CustomerQueries, CartQueries, OrderQueries, InventoryQueries, NodeQueries):
    """What can be read."""


@strawberry.type
class Mutation(CatalogMutations, CustomerMutations, CartMutations, OrderMutations, InventoryMutations):
    """What can be done."""


@strawberry.type
class Subscription(CartSubscriptions, OrderSubscriptions, InventorySubscriptions):
    """What can be followed: the present state first, then every change."""


class Schema(strawberry.Schema):
    """Errors are logged where they are presented, once."""

    def process_errors(self, errors: object, execution_context: object = None) -> None:
        return


def make(settings: Settings) -> Schema:
    """The schema with the limits of these settings."""
    extensions: list[Callable[[], SchemaExtension]] = [PresentErrors, *limits.extensions(settings)]
    if not settings.shows_schema:
        extensions.append(DisableIntrospection)
    schema = Schema(
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
            Fulfillment,
            Payment,
        ],
        extensions=extensions,
        config=StrawberryConfig(
            scalar_map={DecimalString: DECIMAL}, disable_field_suggestions=not settings.shows_schema
        ),
    )
    _read_plain_fields_directly(schema)
    return schema


def _read_plain_fields_directly(schema: Schema) -> None:
    """A field without a resolver is an attribute: read it in one step instead of strawberry's three."""
    for kind in schema._schema.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            for field in kind.fields.values():
                if getattr(field.resolve, "_is_default", False):
                    field.resolve = _attribute(field.extensions["strawberry-definition"].python_name)


def _attribute(name: str) -> Callable[..., Any]:
    get = attrgetter(name)

    def resolve(source: Any, _info: Any) -> Any:
        return get(source)

    return resolve


def sdl() -> str:
    """The schema as text, as `schema/schema.graphql` keeps it."""
    return make(Settings()).as_str() + "\n"
