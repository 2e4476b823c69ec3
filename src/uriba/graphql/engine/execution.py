"""Execution of plans: values are resolved, awaited together, written into the answer.

What can be answered at once is; awaitables wait in `Run.pending` and are awaited together, level by level, so that
batch loaders see all of a level's keys. An error makes its field null, or the nearest nullable field around it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from inspect import isawaitable
from typing import Any

from graphql.execution.values import VariableValues, get_argument_values, get_variable_values

from graphql import DocumentNode, ExecutionResult, GraphQLError, GraphQLSchema
from graphql import execute as interpret
from uriba.graphql.engine import plans
from uriba.graphql.engine.plans import FieldPlan, Path, Plan, Unplanned
from uriba.graphql.engine.recent import Recent

PLANS_MAX = 512

Slot = tuple[Any, Any]
"""A place in the answer that may be null: a container and its key."""

_WRITTEN = (str, int, bool, float, list, dict, type(None))


class Nulled(Exception):
    """A field that must not be null is; its error is recorded, the field around it is null."""


class ResolveInfo:
    """What resolvers are told: the parts of graphql-core's info that hold for all rows of a field."""

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

    def __init__(self, run: Run, field: FieldPlan) -> None:
        self.context = run.context
        self.field_name = field.nodes[0].name.value
        self.field_nodes = field.nodes
        self.fragments = run.plan.fragments
        self.operation = run.plan.operation
        self.parent_type = field.parent
        self.path = None
        self.return_type = field.definition.type
        self.root_value = None
        self.schema = run.schema
        self.variable_values = run.variables.coerced


class Run:
    """One execution of a plan."""

    __slots__ = ("calls", "context", "errors", "pending", "plan", "schema", "variables")

    def __init__(self, plan: Plan, schema: GraphQLSchema, context: Any, variables: VariableValues) -> None:
        self.plan = plan
        self.schema = schema
        self.context = context
        self.variables = variables
        self.errors: list[GraphQLError] = []
        self.pending: list[tuple[FieldPlan, Any, dict[str, Any], Path, Slot]] = []
        self.calls: dict[FieldPlan, Callable[[Any], Any]] = {}

    async def all(self) -> ExecutionResult:
        """The answer. The fields of a mutation run one after the other, all others together."""
        answer: dict[str, Any] = {"data": {}}
        steps = [[field] for field in self.plan.fields] if self.plan.serial else [self.plan.fields]
        for step in steps:
            try:
                found = self.fields(step, None, (None, ""), (answer, "data"))
                answer["data"].update(found)
                self._rehome(found, answer["data"])
            except Nulled:
                answer["data"] = None
            await self._settle_all()
            if answer["data"] is None:
                break
        return ExecutionResult(answer["data"], self.errors or None)

    def _rehome(self, found: dict[str, Any], data: dict[str, Any]) -> None:
        """Root fields that wait write into the answer itself."""
        self.pending = [
            (field, value, data if out is found else out, path, (data, slot[1]) if slot[0] is found else slot)
            for field, value, out, path, slot in self.pending
        ]

    def fields(self, fields: Sequence[FieldPlan], source: Any, path: Path, slot: Slot) -> dict[str, Any]:
        """The selected fields of one object; those that must be awaited are null until then."""
        out: dict[str, Any] = {}
        for field in fields:
            key = field.key
            try:
                if field.plain is not None:
                    value = field.plain(source)
                else:
                    call = self.calls.get(field)
                    if call is None:
                        call = self.calls[field] = self._call(field)
                    value = call(source)
                    if value.__class__ not in _WRITTEN and isawaitable(value):
                        out[key] = None
                        own = (out, key) if field.nullable else slot
                        self.pending.append((field, value, out, (path, key), own))
                        continue
                out[key] = self._complete(field, value, out, (path, key), slot)
            except Nulled:
                if not field.nullable:
                    raise
                out[key] = None
            except Exception as error:
                self._record(error, field, (path, key))
                if not field.nullable:
                    raise Nulled from error
                out[key] = None
        return out

    def _call(self, field: FieldPlan) -> Callable[[Any], Any]:
        """The field's resolver with its info and arguments, which are the same for every object of this run."""
        info = ResolveInfo(self, field)
        given = get_argument_values(field.definition, field.nodes[0], self.variables) if field.takes else {}
        if field.direct is not None:
            return field.direct(info, given)
        resolve = field.definition.resolve
        assert resolve is not None
        return lambda source: resolve(source, info, **given)

    def _complete(self, field: FieldPlan, value: Any, out: dict[str, Any], path: Path, slot: Slot) -> Any:
        if value is None:
            if field.nullable:
                return None
            raise TypeError(
                f"Cannot return null for non-nullable field {field.parent.name}.{field.nodes[0].name.value}."
            )
        if field.leaf is not None:
            return field.leaf(value)
        return field.complete(self, value, path, (out, field.key) if field.nullable else slot)

    async def _settle_all(self) -> None:
        while self.pending:
            level, self.pending = self.pending, []
            if len(level) == 1:
                await self._settle(*level[0])
            else:
                await asyncio.gather(*(self._settle(*waiting) for waiting in level))

    async def _settle(self, field: FieldPlan, value: Any, out: dict[str, Any], path: Path, slot: Slot) -> None:
        try:
            out[field.key] = self._complete(field, await value, out, path, slot)
        except Nulled:
            slot[0][slot[1]] = None
        except Exception as error:
            self._record(error, field, path)
            slot[0][slot[1]] = None

    def _record(self, error: Exception, field: FieldPlan, path: Path) -> None:
        cause = error.original_error if isinstance(error, GraphQLError) and error.original_error else error
        extensions = error.extensions if isinstance(error, GraphQLError) else None
        self.errors.append(
            GraphQLError(
                str(error),
                nodes=field.nodes,
                path=_steps(path),
                original_error=cause if isinstance(cause, Exception) else None,
                extensions=extensions,
            )
        )


def _steps(path: Path) -> list[str | int]:
    steps: list[str | int] = []
    at: Any = path
    while at is not None and at[1] != "":
        steps.append(at[1])
        at = at[0]
    return steps[::-1]


class Executor:
    """Runs documents by plan, and remembers the plans of those that come again."""

    def __init__(self) -> None:
        # A plan holds its document, so that the document's identity stays its own.
        self._plans: Recent[tuple[int, str | None], tuple[DocumentNode, Plan | None]] = Recent(PLANS_MAX)
        self._accepted: Recent[tuple[str, str | None], Plan] = Recent(PLANS_MAX)

    def accept(self, query: str, said_name: str | None, document: DocumentNode, operation_name: str | None) -> None:
        """Remember that this text has passed parsing, validation and the limits; its cost may yet be another, since
        that is of the variables too. `said_name`: the operation's as the client gave it, which it need not."""
        known = self._plans.get((id(document), operation_name))
        if known is not None and known[1] is not None:
            self._accepted[query, said_name] = known[1]

    def accepted(self, query: str, said_name: str | None) -> Plan | None:
        return self._accepted.get((query, said_name))

    def __call__(self, schema: GraphQLSchema, document: DocumentNode, **given: Any) -> Any:
        """In the place of graphql-core's `execute`."""
        plan = self._plan(schema, document, given.get("operation_name"))
        if plan is None:
            return interpret(schema, document, **given)
        variables = get_variable_values(
            schema, plan.operation.variable_definitions or (), given.get("variable_values") or {}
        )
        if not isinstance(variables, VariableValues):
            return ExecutionResult(None, variables)
        return Run(plan, schema, given.get("context_value"), variables).all()

    async def run(
        self, schema: GraphQLSchema, plan: Plan, context: Any, variable_values: dict[str, Any]
    ) -> ExecutionResult:
        """The answer of an accepted operation."""
        variables = get_variable_values(schema, plan.operation.variable_definitions or (), variable_values)
        if not isinstance(variables, VariableValues):
            return ExecutionResult(None, variables)
        return await Run(plan, schema, context, variables).all()

    def _plan(self, schema: GraphQLSchema, document: DocumentNode, operation_name: str | None) -> Plan | None:
        key = (id(document), operation_name)
        known = self._plans.get(key)
        if known is not None:
            return known[1]
        try:
            plan = plans.make(schema, document, operation_name)
        except Unplanned:
            plan = None
        self._plans[key] = (document, plan)
        return plan
