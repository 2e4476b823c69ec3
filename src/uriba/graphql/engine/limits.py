"""Limits of an operation, checked before its execution: tokens, depth, aliases, repeated fields, fields, and cost.

Cost: each field costs 1, a mutation 10. Fields below a list count once for each row that the list may have: `first`
rows of a connection, `LIST_SIZE` rows of a plain list. A fragment counts wherever it is spread, but its cost is
computed once, so that fragments which spread each other many times do not make the computation long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Any, ClassVar

from graphql import (
    ArgumentNode,
    ASTValidationRule,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLList,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    Visitor,
    get_named_type,
    get_nullable_type,
    visit,
)
from graphql.type import GraphQLField, GraphQLInterfaceType
from strawberry.extensions import MaxTokensLimiter, ParserCache, SchemaExtension, ValidationCache
from strawberry.types import ExecutionContext

from uriba.config import Settings
from uriba.core.bounded_cache import BoundedCache
from uriba.core.pages import PAGE_SIZE_MAX
from uriba.graphql.engine.errors import TOO_COMPLEX

LIST_SIZE = 5
MUTATION_COST = 10
DOCUMENTS_MAX = 512
COSTS_MAX = 2_048

FIELDS_MAX = 3_000
"""Fields of one operation; those of a fragment count wherever it is spread."""

REPEATS_MAX = 25
"""How often one field may be selected in one place: validation rules compare each selection with each other."""

INTROSPECTION_LEVEL = -1_000
"""The depth that introspection fields begin at, so that `depth_max` does not apply to them."""


def extensions(settings: Settings) -> list[Callable[[], SchemaExtension]]:
    """Return the extensions that parse and validate documents once, and refuse those above the limits."""

    class LimitsOfSettings(ShapeLimits):
        depth_max = settings.query_depth_max
        aliases_max = settings.query_aliases_max

    return [
        lambda: MaxTokensLimiter(max_token_count=settings.query_tokens_max),
        lambda: CachedParser(maxsize=DOCUMENTS_MAX),
        lambda: CachedValidation(LimitsOfSettings),
        CostLimit,
    ]


class CachedParser(ParserCache):
    """Parses each text once. A text with a syntax error is left to the schema, which answers with the error."""

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        try:
            context.graphql_document = self.cached_parse_document(context.query, **context.parse_options)
        except GraphQLError:
            context.graphql_document = None
        yield


class CachedValidation(ValidationCache):
    """Validates each document once. `ShapeLimits` comes first, because other rules take long on what it refuses."""

    def __init__(self, shape_limits: type[ShapeLimits]) -> None:
        super().__init__(maxsize=2 * DOCUMENTS_MAX)
        self.shape_limits = shape_limits

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        schema, document = context.schema._schema, context.graphql_document
        context.pre_execution_errors = self.cached_validate_document(
            schema, document, (self.shape_limits,)
        ) or self.cached_validate_document(schema, document, context.validation_rules)
        yield


class ShapeLimits(ASTValidationRule):
    """Refuses operations that are nested too deeply, or have too many aliases, repeated fields or fields.

    Fragments count where they are spread. The walk ends after `FIELDS_MAX` fields, so that its time is bounded.
    """

    depth_max: ClassVar[int]
    aliases_max: ClassVar[int]

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: object) -> None:
        self._fields = self._aliases = self._repeats = 0
        depth = self._walk([node.selection_set], 0)
        for count, count_max, clause in (
            (depth, self.depth_max, "is {} levels deep"),
            (self._aliases, self.aliases_max, "has {} aliases"),
            (self._repeats, REPEATS_MAX, "asks for one field {} times"),
            (self._fields, FIELDS_MAX, "asks for {} fields"),
        ):
            if count > count_max:
                message = f"This operation {clause.format(count)}, at most {count_max} are allowed."
                self.report_error(GraphQLError(message, node, extensions={"code": TOO_COMPLEX}))

    def _walk(self, selections: Sequence[SelectionSetNode], level: int) -> int:
        """Return the deepest level of the fields that are selected from one object at `level`."""
        grouped: dict[str, list[FieldNode]] = {}
        for selection in selections:
            self._collect(selection, grouped, set())
        deepest = level
        for nodes in grouped.values():
            self._repeats = max(self._repeats, len(nodes))
            children = [node.selection_set for node in nodes if node.selection_set]
            if children and level <= self.depth_max and self._fields <= FIELDS_MAX:
                is_introspection = nodes[0].name.value.startswith("__")
                deepest = max(deepest, self._walk(children, INTROSPECTION_LEVEL if is_introspection else level + 1))
        return deepest

    def _collect(self, selection: SelectionSetNode, grouped: dict[str, list[FieldNode]], visited: set[str]) -> None:
        for node in selection.selections:
            self._fields += 1
            if isinstance(node, FieldNode):
                self._aliases += node.alias is not None
                grouped.setdefault((node.alias or node.name).value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                self._collect(node.selection_set, grouped, visited)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in visited:
                visited.add(node.name.value)
                fragment = self.context.get_fragment(node.name.value)
                if fragment is not None:
                    self._collect(fragment.selection_set, grouped, visited)


class Costs:
    """Costs of operations, cached by document and by the variables that are a connection's `first`.

    No other variable has an influence on a cost.
    """

    def __init__(self, schema: GraphQLSchema, cost_max: int) -> None:
        self.schema = schema
        self.cost_max = cost_max
        # Each entry holds its document, so that the document's id is not reused while the entry exists.
        self._costs: BoundedCache[tuple[object, ...], tuple[DocumentNode, int]] = BoundedCache(COSTS_MAX)
        self._size_variables: BoundedCache[int, tuple[DocumentNode, tuple[str, ...]]] = BoundedCache(COSTS_MAX)

    def exceeded(self, document: DocumentNode, operation_name: str | None, variables: Mapping[str, Any]) -> bool:
        return self.of(document, operation_name, variables) > self.cost_max

    def of(self, document: DocumentNode, operation_name: str | None, variables: Mapping[str, Any]) -> int:
        """Return what an operation may cost at most."""
        sizes = tuple(variables.get(name) for name in self._names(document))
        if not all(isinstance(size, (int, NoneType)) for size in sizes):
            return cost(self.schema, document, operation_name, variables)
        key = (id(document), operation_name, *sizes)
        if (known := self._costs.get(key)) is None:
            known = self._costs[key] = document, cost(self.schema, document, operation_name, variables)
        return known[1]

    def _names(self, document: DocumentNode) -> tuple[str, ...]:
        """Return the variables that are the argument `first` of any field of a document."""
        if (known := self._size_variables.get(id(document))) is None:
            visitor = _SizeVariables()
            visit(document, visitor)
            known = self._size_variables[id(document)] = document, tuple(sorted(visitor.names))
        return known[1]


class _SizeVariables(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_argument(self, node: ArgumentNode, *_: object) -> None:
        if node.name.value == "first" and isinstance(node.value, VariableNode):
            self.names.add(node.value.name.value)


class CostLimit(SchemaExtension):
    """Refuses an operation that costs more than its schema allows, and a request that names none of several."""

    def on_validate(self) -> Iterator[None]:
        # Before the yield: errors that are set after it are ignored. `CachedValidation` has run by now.
        context = self.execution_context
        if not context.pre_execution_errors and (error := self._error(context)):
            context.pre_execution_errors = [error]
        yield

    def _error(self, context: ExecutionContext) -> GraphQLError | None:
        assert context.graphql_document is not None
        if not context._provided_operation_name and _operations(context.graphql_document) > 1:
            return GraphQLError("This document has several operations: name the one to execute in operationName.")
        costs: Costs = context.schema.costs  # type: ignore[attr-defined]
        found = costs.of(context.graphql_document, context.operation_name, context.variables or {})
        if found <= costs.cost_max:
            return None
        message = f"This query may cost {found}, the budget is {costs.cost_max}: ask for fewer rows or fields."
        return GraphQLError(message, extensions={"code": TOO_COMPLEX})


def _operations(document: DocumentNode) -> int:
    return sum(isinstance(definition, OperationDefinitionNode) for definition in document.definitions)


def cost(schema: GraphQLSchema, document: Any, operation_name: str | None, variables: Mapping[str, Any]) -> int:
    """Compute what an operation may cost at most."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode) and (
            operation_name is None or (definition.name and definition.name.value == operation_name)
        ):
            root = schema.get_root_type(definition.operation)
            field_cost = MUTATION_COST if root is schema.mutation_type else 1
            return _CostComputation(schema, fragments, variables).of(definition.selection_set, root, field_cost)
    return 0


class _CostComputation:
    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> None:
        self.schema = schema
        self.fragments = fragments
        self.variables = variables
        self.fragment_costs: dict[tuple[str, int], int] = {}

    def of(self, selection: SelectionSetNode | None, parent: Any, field_cost: int = 1) -> int:
        if selection is None:
            return 0
        return sum(self._selection(node, parent, field_cost) for node in selection.selections)

    def _selection(self, node: Any, parent: Any, field_cost: int) -> int:
        if isinstance(node, FieldNode):
            return self._field(node, parent, field_cost)
        if isinstance(node, InlineFragmentNode):
            narrowed = self.schema.get_type(node.type_condition.name.value) if node.type_condition else parent
            return self.of(node.selection_set, narrowed, field_cost)
        assert isinstance(node, FragmentSpreadNode)
        return self._fragment(node.name.value, field_cost)

    def _fragment(self, name: str, field_cost: int) -> int:
        if (name, field_cost) not in self.fragment_costs:
            fragment = self.fragments[name]
            kind = self.schema.get_type(fragment.type_condition.name.value)
            self.fragment_costs[name, field_cost] = self.of(fragment.selection_set, kind, field_cost)
        return self.fragment_costs[name, field_cost]

    def _field(self, node: FieldNode, parent: Any, field_cost: int) -> int:
        if not isinstance(parent, (GraphQLObjectType, GraphQLInterfaceType)):
            return field_cost
        field = parent.fields.get(node.name.value)
        if field is None or node.selection_set is None:
            return field_cost
        return field_cost + self._rows(node, field) * self.of(node.selection_set, get_named_type(field.type))

    def _rows(self, node: FieldNode, field: GraphQLField) -> int:
        is_list = isinstance(get_nullable_type(field.type), GraphQLList)
        if "first" in field.args and (is_list or str(get_named_type(field.type)).endswith("Connection")):
            return max(1, min(self._first(node, field), 10 * PAGE_SIZE_MAX))
        # The rows of `edges` were counted at their connection.
        is_edges = node.name.value == "edges"
        return LIST_SIZE if is_list and not is_edges else 1

    def _first(self, node: FieldNode, field: GraphQLField) -> int:
        for argument in node.arguments or ():
            if argument.name.value == "first":
                if isinstance(argument.value, IntValueNode):
                    return int(argument.value.value)
                if isinstance(argument.value, VariableNode):
                    size = self.variables.get(argument.value.name.value)
                    return size if isinstance(size, int) else PAGE_SIZE_MAX
        return int(field.args["first"].default_value)
