"""The schema: every domain's fields under one root."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from operator import attrgetter
from typing import Any, cast

import strawberry
from strawberry.extensions import DisableIntrospection, SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionResult
from strawberry.types.field import StrawberryField
from strawberry.types.graphql import OperationType

from graphql import GraphQLObjectType
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
from uriba.graphql.engine import inputs, limits
from uriba.graphql.engine.errors import PresentErrors, presented
from uriba.graphql.engine.execution import Executor
from uriba.graphql.engine.limits import Costs
from uriba.graphql.engine.plans import Prepare
from uriba.graphql.health.mutations import HealthMutations
from uriba.graphql.health.queries import HealthQueries
from uriba.graphql.health.subscriptions import HealthSubscriptions
from uriba.graphql.inventory.moves import MoveMutations
from uriba.graphql.inventory.mutations import InventoryMutations
from uriba.graphql.inventory.queries import InventoryQueries
from uriba.graphql.inventory.subscriptions import InventorySubscriptions
from uriba.graphql.inventory.transfers import StockTransfer, TransferQueries
from uriba.graphql.inventory.transfers_mutations import TransferMutations
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
from uriba.graphql.webhooks.mutations import ChannelsMutations
from uriba.graphql.webhooks.queries import ChannelsQueries
from uriba.graphql.webhooks.subscriptions import ChannelsSubscriptions
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
    ChannelsQueries,
    ConnectorQueries,
    HealthQueries,
    NodeQueries,
):
    """What can be read."""


@strawberry.type
class Mutation(
    CatalogMutations,
    CustomerMutations,
    CartMutations,
    OrderMutations,
    AfterSalesMutations,
    InventoryMutations,
    MoveMutations,
    TransferMutations,
    PosMutations,
    PricingMutations,
    StoredValueMutations,
    ChannelsMutations,
    ConnectorMutations,
    HealthMutations,
):
    """What can be done."""


@strawberry.type
class Subscription(
    CartSubscriptions, OrderSubscriptions, InventorySubscriptions, ChannelsSubscriptions, HealthSubscriptions
):
    """What can be followed: the present state first, then every change."""


class Schema(strawberry.Schema):
    """Documents run by plan; errors are logged where they are presented, once."""

    def __init__(self, *args: Any, cost_max: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.executor = Executor()
        self.costs = Costs(self._schema, cost_max)

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """An operation that has passed all checks before is run at once; any other goes strawberry's whole way."""
        plan = self.executor.accepted(query or "", operation_name)
        variables = variable_values or {}
        if (
            plan is None
            or (allowed_operation_types is not None and plan.kind not in allowed_operation_types)
            or self.costs.exceeded(plan.document, operation_name, variables)
        ):
            return await super().execute(
                query,
                variable_values=variable_values,
                context_value=context_value,
                root_value=root_value,
                operation_name=operation_name,
                allowed_operation_types=allowed_operation_types,
                operation_extensions=operation_extensions,
            )
        result = await self.executor.run(self._schema, plan, context_value, variables)
        return ExecutionResult(result.data, [presented(error) for error in result.errors or ()] or None)

    def _get_execute_function(self) -> Callable[..., Any]:
        return self.executor

    def process_errors(self, errors: object, execution_context: object = None) -> None:
        return


class Accept(SchemaExtension):
    """What has come as far as its execution has passed all checks."""

    def on_execute(self) -> Iterator[None]:
        yield
        context = self.execution_context
        schema = cast(Schema, context.schema)
        if context.query and context.graphql_document is not None:
            said = context._provided_operation_name
            schema.executor.accept(context.query, said, context.graphql_document, context.operation_name)


def make(settings: Settings) -> Schema:
    """The schema with the limits of these settings."""
    extensions: list[Callable[[], SchemaExtension]] = [PresentErrors, *limits.extensions(settings), Accept]
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
            disable_field_suggestions=not settings.shows_schema,
        ),
    )
    _shorten_ways(schema)
    return schema


def _shorten_ways(schema: Schema) -> None:
    """Tell plans which fields are plain attributes, and how to call the others without strawberry's wrappers.

    The wrappers convert the arguments for every object of a list; they are the same for all of them.
    """
    for kind in schema._schema.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            for field in kind.fields.values():
                definition: StrawberryField | None = field.extensions.get("strawberry-definition")
                if definition is None or definition.extensions:
                    continue
                if definition.base_resolver is None:
                    field.resolve = _attribute(definition.python_name)
                elif definition.base_resolver.self_parameter and field.resolve is not None:
                    field.resolve.direct = _direct(schema, definition)


def _direct(schema: Schema, field: StrawberryField) -> Prepare:
    assert field.base_resolver is not None
    function: Callable[..., Any] = field.base_resolver.wrapped_func  # type: ignore[assignment]
    config = schema.schema_converter.config
    convert = inputs.arguments(field, config)
    informed = field.base_resolver.info_parameter

    def prepare(info: Any, given: dict[str, Any]) -> Callable[[Any], Any]:
        arguments = convert(given)
        if informed is not None:
            arguments[informed.name] = config.info_class(_raw_info=info, _field=field)
        return lambda source: function(source, **arguments)

    return prepare


def _attribute(name: str) -> Callable[..., Any]:
    get = attrgetter(name)

    def resolve(source: Any, _info: Any) -> Any:
        return get(source)

    resolve.plain = get  # type: ignore[attr-defined]
    return resolve


def sdl() -> str:
    """The schema as text, as `schema/schema.graphql` keeps it."""
    return make(Settings()).as_str() + "\n"
