"""Execution of plans: resolve values, await them level by level, and write them into the response.

A value that is not awaitable is written at once. Awaitables wait in `Execution.pending` and are awaited together, level
by level, so that batch loaders see all keys of a level. An error makes its field null, or the nearest nullable field
around it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from inspect import isawaitable
from typing import Any

from graphql import DocumentNode, ExecutionResult, GraphQLError, GraphQLSchema
from graphql import execute as interpret
from graphql.execution.values import VariableValues, get_argument_values, get_variable_values

from uriba.core.bounded_cache import BoundedCache
from uriba.graphql.engine.plans import FieldPlan, Path, Plan, Slot, Unplannable, compile_plan

PLANS_MAX = 512

Pending = tuple[FieldPlan, Any, dict[str, Any], Path, Slot]
"""A field whose value is awaited: its plan, the awaitable, its object in the response, its path, and its slot."""

_NEVER_AWAITABLE = (str, int, bool, float, list, dict, type(None))


class NullPropagated(Exception):
    """A field that must not be null is null. Its error is recorded; the nearest nullable field becomes null."""


class ResolveInfo:
    """The parts of graphql-core's `GraphQLResolveInfo` that are the same for every object of a field."""

    __slots__ = (
        "context",
        "field_name",
        "field_nodes",
        "fragments",
        "operation",
        "parent_type",
        "path",
        "return_type",
        "root_value",
        "schema",
        "variable_values",
    )

    def __init__(self, execution: Execution, field: FieldPlan) -> None:
        self.context = execution.context
        self.field_name = field.nodes[0].name.value
        self.field_nodes = field.nodes
        self.fragments = execution.plan.fragments
        self.operation = execution.plan.operation
        self.parent_type = field.parent
        self.path = None
        self.return_type = field.definition.type
        self.root_value = None
        self.schema = execution.schema
        self.variable_values = execution.variables


class Execution:
    """One execution of a plan."""

    __slots__ = ("bound", "context", "errors", "pending", "plan", "schema", "variables")

    def __init__(self, plan: Plan, schema: GraphQLSchema, context: Any, variables: VariableValues) -> None:
        self.plan = plan
        self.schema = schema
        self.context = context
        self.variables = variables
        self.errors: list[GraphQLError] = []
        self.pending: list[Pending] = []
        self.bound: dict[FieldPlan, Callable[[Any], Any]] = {}

    async def execute(self) -> ExecutionResult:
        """Return the result. The fields of a mutation run one after the other, all others together."""
        response: dict[str, Any] = {"data": {}}
        steps = [[field] for field in self.plan.fields] if self.plan.serial else [self.plan.fields]
        for step in steps:
            try:
                resolved = self.resolve_fields(step, None, (None, ""), (response, "data"))
                response["data"].update(resolved)
                self._move_pending(resolved, response["data"])
            except NullPropagated:
                response["data"] = None
            await self._await_pending()
            if response["data"] is None:
                break
        return ExecutionResult(response["data"], self.errors or None)

    def _move_pending(self, resolved: dict[str, Any], data: dict[str, Any]) -> None:
        """Have pending root fields write into `data` instead of their step's dict."""
        self.pending = [
            (field, value, data if out is resolved else out, path, (data, slot[1]) if slot[0] is resolved else slot)
            for field, value, out, path, slot in self.pending
        ]

    def resolve_fields(self, fields: Sequence[FieldPlan], source: Any, path: Path, slot: Slot) -> dict[str, Any]:
        """Resolve the selected fields of one object; awaited ones are null until `_await_pending`.

        Errors: `NullPropagated` where a field that must not be null is null.
        """
        out: dict[str, Any] = {}
        for field in fields:
            key = field.key
            try:
                if field.attribute is not None:
                    value = field.attribute(source)
                else:
                    call = self.bound.get(field)
                    if call is None:
                        call = self.bound[field] = self._bind(field)
                    value = call(source)
                    if value.__class__ not in _NEVER_AWAITABLE and isawaitable(value):
                        out[key] = None
                        own_slot = (out, key) if field.nullable else slot
                        self.pending.append((field, value, out, (path, key), own_slot))
                        continue
                out[key] = self._complete(field, value, out, (path, key), slot)
            except NullPropagated:
                if not field.nullable:
                    raise
                out[key] = None
            except Exception as error:
                self._record_error(error, field, (path, key))
                if not field.nullable:
                    raise NullPropagated from error
                out[key] = None
        return out

    def _bind(self, field: FieldPlan) -> Callable[[Any], Any]:
        """Bind the field's resolver to its info and arguments, which are the same for every object."""
        info = ResolveInfo(self, field)
        arguments = get_argument_values(field.definition, field.nodes[0], self.variables) if field.has_arguments else {}
        if field.bind is not None:
            return field.bind(info, arguments)
        resolve = field.definition.resolve
        assert resolve is not None
        return lambda source: resolve(source, info, **arguments)

    def _complete(self, field: FieldPlan, value: Any, out: dict[str, Any], path: Path, slot: Slot) -> Any:
        if value is None:
            if field.nullable:
                return None
            raise TypeError(
                f"Cannot return null for non-nullable field {field.parent.name}.{field.nodes[0].name.value}."
            )
        if field.serialize is not None:
            return field.serialize(value)
        return field.complete(self, value, path, (out, field.key) if field.nullable else slot)

    async def _await_pending(self) -> None:
        while self.pending:
            level, self.pending = self.pending, []
            if len(level) == 1:
                await self._await_field(*level[0])
            else:
                await asyncio.gather(*(self._await_field(*pending) for pending in level))

    async def _await_field(self, field: FieldPlan, value: Any, out: dict[str, Any], path: Path, slot: Slot) -> None:
        try:
            out[field.key] = self._complete(field, await value, out, path, slot)
        except NullPropagated:
            slot[0][slot[1]] = None
        except Exception as error:
            self._record_error(error, field, path)
            slot[0][slot[1]] = None

    def _record_error(self, error: Exception, field: FieldPlan, path: Path) -> None:
        cause = error.original_error if isinstance(error, GraphQLError) and error.original_error else error
        extensions = error.extensions if isinstance(error, GraphQLError) else None
        self.errors.append(
            GraphQLError(
                str(error),
                nodes=field.nodes,
                path=_path_steps(path),
                original_error=cause if isinstance(cause, Exception) else None,
                extensions=extensions,
            )
        )


def _path_steps(path: Path) -> list[str | int]:
    """Return the path from the root, as the `path` of an error is written."""
    steps: list[str | int] = []
    at: Any = path
    while at is not None and at[1] != "":
        steps.append(at[1])
        at = at[0]
    return steps[::-1]


class Executor:
    """Executes documents by plan, and keeps the newest `PLANS_MAX` plans."""

    def __init__(self) -> None:
        # Each entry holds its document, so that the document's id is not reused while the entry exists.
        self._plans: BoundedCache[tuple[int, str | None], tuple[DocumentNode, Plan | None]] = BoundedCache(PLANS_MAX)
        self._accepted: BoundedCache[tuple[str, str | None], Plan] = BoundedCache(PLANS_MAX)

    def accept(
        self, query: str, requested_name: str | None, document: DocumentNode, operation_name: str | None
    ) -> None:
        """Record that this text has passed parsing, validation and the limits.

        The cost is checked again for each execution, because it depends on variables. `requested_name` is the
        operation's name as the client sent it, None where it sent none.
        """
        known = self._plans.get((id(document), operation_name))
        if known is not None and known[1] is not None:
            self._accepted[query, requested_name] = known[1]

    def accepted_plan(self, query: str, requested_name: str | None) -> Plan | None:
        """Return the plan of a text that `accept` recorded."""
        return self._accepted.get((query, requested_name))

    def __call__(self, schema: GraphQLSchema, document: DocumentNode, **arguments: Any) -> Any:
        """Execute a document; takes the arguments of graphql-core's `execute`."""
        plan = self._plan(schema, document, arguments.get("operation_name"))
        if plan is None:
            return interpret(schema, document, **arguments)
        return self.execute_plan(schema, plan, arguments.get("context_value"), arguments.get("variable_values") or {})

    async def execute_plan(
        self, schema: GraphQLSchema, plan: Plan, context: Any, variable_values: dict[str, Any]
    ) -> ExecutionResult:
        """Execute a plan with these variables."""
        variables = get_variable_values(schema, plan.operation.variable_definitions or (), variable_values)
        if not isinstance(variables, VariableValues):
            return ExecutionResult(None, variables)
        return await Execution(plan, schema, context, variables).execute()

    def _plan(self, schema: GraphQLSchema, document: DocumentNode, operation_name: str | None) -> Plan | None:
        key = (id(document), operation_name)
        known = self._plans.get(key)
        if known is not None:
            return known[1]
        try:
            plan = compile_plan(schema, document, operation_name)
        except Unplannable:
            plan = None
        self._plans[key] = (document, plan)
        return plan
