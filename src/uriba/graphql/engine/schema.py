"""A strawberry schema that executes documents by plan, and checks a text once.

A text that has passed parsing, validation and the limits is executed at once when it comes again; only its cost, which
depends on variables, is checked each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any, cast

import strawberry
from graphql import GraphQLObjectType
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionResult
from strawberry.types.field import StrawberryField
from strawberry.types.graphql import OperationType

from uriba.graphql.engine.arguments import arguments_converter
from uriba.graphql.engine.errors import public_error
from uriba.graphql.engine.execution import Executor
from uriba.graphql.engine.limits import Costs
from uriba.graphql.engine.plans import BindResolver


class Schema(strawberry.Schema):
    """A schema with an executor of its own. Errors are logged by `PublicErrors`, once, and not by strawberry."""

    def __init__(self, *args: Any, cost_max: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.executor = Executor()
        self.costs = Costs(self._schema, cost_max)
        _annotate_resolvers(self)

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
        """Execute an accepted text by its plan; parse and validate any other first, as strawberry does."""
        plan = self.executor.accepted_plan(query or "", operation_name)
        variables = variable_values or {}
        if (
            plan is None
            or (allowed_operation_types is not None and plan.operation_type not in allowed_operation_types)
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
        result = await self.executor.execute_plan(self._schema, plan, context_value, variables)
        return ExecutionResult(result.data, [public_error(error) for error in result.errors or ()] or None)

    def _get_execute_function(self) -> Callable[..., Any]:
        return self.executor

    def process_errors(self, errors: object, execution_context: object = None) -> None:
        return


class AcceptText(SchemaExtension):
    """Records a text as accepted once it is executed. It must come after the extensions that check the text."""

    def on_execute(self) -> Iterator[None]:
        yield
        context = self.execution_context
        schema = cast(Schema, context.schema)
        if context.query and context.graphql_document is not None:
            requested_name = context._provided_operation_name
            schema.executor.accept(context.query, requested_name, context.graphql_document, context.operation_name)


def _annotate_resolvers(schema: Schema) -> None:
    """Tell plans which fields are plain attributes, and how to call other resolvers without strawberry's wrappers.

    The wrappers convert a field's arguments for every object of a list, although they are the same for all.
    """
    for kind in schema._schema.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            for field in kind.fields.values():
                definition: StrawberryField | None = field.extensions.get("strawberry-definition")
                if definition is None or definition.extensions:
                    continue
                if definition.base_resolver is None:
                    field.resolve = _attribute_resolver(definition.python_name)
                elif definition.base_resolver.self_parameter and field.resolve is not None:
                    field.resolve.bind = _binder(schema, definition)


def _binder(schema: Schema, field: StrawberryField) -> BindResolver:
    assert field.base_resolver is not None
    function: Callable[..., Any] = field.base_resolver.wrapped_func  # type: ignore[assignment]
    config = schema.schema_converter.config
    convert = arguments_converter(field, config)
    info_parameter = field.base_resolver.info_parameter

    def bind(info: Any, coerced: dict[str, Any]) -> Callable[[Any], Any]:
        arguments = convert(coerced)
        if info_parameter is not None:
            arguments[info_parameter.name] = config.info_class(_raw_info=info, _field=field)
        return lambda source: function(source, **arguments)

    return bind


def _attribute_resolver(name: str) -> Callable[..., Any]:
    get = attrgetter(name)

    def resolve(source: Any, _info: Any) -> Any:
        return get(source)

    resolve.attribute = get  # type: ignore[attr-defined]
    return resolve
