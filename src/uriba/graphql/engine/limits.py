"""Limits of a query, checked before any of it runs: depth, aliases, tokens, and a budget of cost.

Cost: each field is 1, a mutation 10; what is below a list counts once per row that may come: `first` rows of a
connection, `LIST_SIZE` of a plain list. Fragments cost where they are used, and are weighed once: a tower of fragments
that spread each other takes no time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Any, ClassVar

from graphql.type import GraphQLField, GraphQLInterfaceType
from strawberry.extensions import MaxTokensLimiter, ParserCache, SchemaExtension, ValidationCache
from strawberry.types import ExecutionContext

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
from uriba.config import Settings
from uriba.core.pages import PAGE_SIZE_MAX
from uriba.graphql.engine.errors import TOO_COMPLEX
from uriba.graphql.engine.recent import Recent

LIST_SIZE = 5
MUTATION_COST = 10
DOCUMENTS_MAX = 512
COSTS_MAX = 2_048

FIELDS_MAX = 3_000
"""Fields of one operation, those of a fragment wherever it is spread."""

REPEATS_MAX = 25
"""How often one field may be asked for in one place: rules compare each with each."""

INTROSPECTION_LEVEL = -1_000
"""Introspection has a limit of depth of its own."""


def extensions(settings: Settings) -> list[Callable[[], SchemaExtension]]:
    """Caches and limits; documents are parsed and validated once."""

    class ShapeOfThese(Shape):
        depth_max = settings.query_depth_max
        aliases_max = settings.query_aliases_max

    return [
        lambda: MaxTokensLimiter(max_token_count=settings.query_tokens_max),
        lambda: Parsed(maxsize=DOCUMENTS_MAX),
        lambda: Validated(ShapeOfThese),
        CostLimit,
    ]


class Parsed(ParserCache):
    """Parses what comes again once; what cannot be parsed is left to the schema, which answers with the error."""

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        try:
            context.graphql_document = self.cached_parse_document(context.query, **context.parse_options)
        except GraphQLError:
            context.graphql_document = None
        yield


class Validated(ValidationCache):
    """Validates what comes again once. The shape comes first: other rules take long on a bad one."""

    def __init__(self, shape: type[Shape]) -> None:
        super().__init__(maxsize=2 * DOCUMENTS_MAX)
        self.shape = shape

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        schema, document = context.schema._schema, context.graphql_document
        context.pre_execution_errors = self.cached_validate_document(
            schema, document, (self.shape,)
        ) or self.cached_validate_document(schema, document, context.validation_rules)
        yield


class Shape(ASTValidationRule):
    """Refuses operations that are nested too deeply, or name fields anew or again too often.

    Fragments count where they are used. It walks a bounded number of fields, so that no document keeps it long.
    """

    depth_max: ClassVar[int]
    aliases_max: ClassVar[int]

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: object) -> None:
        self._fields = self._aliases = self._repeats = 0
        depth = self._walk([node.selection_set], 0)
        for found, allowed, what in (
            (depth, self.depth_max, "is {} levels deep"),
            (self._aliases, self.aliases_max, "has {} aliases"),
            (self._repeats, REPEATS_MAX, "asks for one field {} times"),
            (self._fields, FIELDS_MAX, "asks for {} fields"),
        ):
            if found > allowed:
                sentence = f"This operation {what.format(found)}, at most {allowed} are allowed."
                self.report_error(GraphQLError(sentence, node, extensions={"code": TOO_COMPLEX}))

    def _walk(self, selections: Sequence[SelectionSetNode], level: int) -> int:
        """The deepest level of what is selected from one object."""
        grouped: dict[str, list[FieldNode]] = {}
        for selection in selections:
            self._collect(selection, grouped, set())
        deepest = level
        for nodes in grouped.values():
            self._repeats = max(self._repeats, len(nodes))
            below = [node.selection_set for node in nodes if node.selection_set]
            if below and level <= self.depth_max and self._fields <= FIELDS_MAX:
                inside = nodes[0].name.value.startswith("__")
                deepest = max(deepest, self._walk(below, INTROSPECTION_LEVEL if inside else level + 1))
        return deepest

    def _collect(self, selection: SelectionSetNode, grouped: dict[str, list[FieldNode]], seen: set[str]) -> None:
        for node in selection.selections:
            self._fields += 1
            if isinstance(node, FieldNode):
                self._aliases += node.alias is not None
                grouped.setdefault((node.alias or node.name).value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                self._collect(node.selection_set, grouped, seen)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                fragment = self.context.get_fragment(node.name.value)
                if fragment is not None:
                    self._collect(fragment.selection_set, grouped, seen)


class Costs:
    """Costs of documents that come again. Variables are in a cost only where they say how many rows come first."""

    def __init__(self, schema: GraphQLSchema, cost_max: int) -> None:
        self.schema = schema
        self.cost_max = cost_max
        # With its document, so that the document's identity stays its own.
        self._known: Recent[tuple[object, ...], tuple[DocumentNode, int]] = Recent(COSTS_MAX)
        self._sizes: Recent[int, tuple[DocumentNode, tuple[str, ...]]] = Recent(COSTS_MAX)

    def exceeded(self, document: DocumentNode, operation_name: str | None, variables: Mapping[str, Any]) -> bool:
        return self.of(document, operation_name, variables) > self.cost_max

    def of(self, document: DocumentNode, operation_name: str | None, variables: Mapping[str, Any]) -> int:
        """What an operation may cost at most."""
        said = tuple(variables.get(name) for name in self._names(document))
        if not all(isinstance(size, (int, NoneType)) for size in said):
            return cost(self.schema, document, operation_name, variables)
        key = (id(document), operation_name, *said)
        if (known := self._known.get(key)) is None:
            known = self._known[key] = document, cost(self.schema, document, operation_name, variables)
        return known[1]

    def _names(self, document: DocumentNode) -> tuple[str, ...]:
        """The variables that are given as `first` anywhere in a document."""
        if (known := self._sizes.get(id(document))) is None:
            sizes = _Sizes()
            visit(document, sizes)
            known = self._sizes[id(document)] = document, tuple(sorted(sizes.names))
        return known[1]


class _Sizes(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_argument(self, node: ArgumentNode, *_: object) -> None:
        if node.name.value == "first" and isinstance(node.value, VariableNode):
            self.names.add(node.value.name.value)


class CostLimit(SchemaExtension):
    """Refuses an operation whose cost is above the budget of its schema, and one of several that nobody named."""

    def on_validate(self) -> Iterator[None]:
        # Before the yield: after it, nobody would look at errors again. The validation's cache has run by now.
        context = self.execution_context
        if not context.pre_execution_errors and (refused := self._refusal(context)):
            context.pre_execution_errors = [refused]
        yield

    def _refusal(self, context: ExecutionContext) -> GraphQLError | None:
        assert context.graphql_document is not None
        if not context._provided_operation_name and _operations(context.graphql_document) > 1:
            return GraphQLError("Say by operationName which of these operations to run.")
        costs: Costs = context.schema.costs  # type: ignore[attr-defined]
        spent = costs.of(context.graphql_document, context.operation_name, context.variables or {})
        if spent <= costs.cost_max:
            return None
        sentence = f"This query may cost {spent}, the budget is {costs.cost_max}: ask for fewer rows or fields."
        return GraphQLError(sentence, extensions={"code": TOO_COMPLEX})


def _operations(document: DocumentNode) -> int:
    return sum(isinstance(definition, OperationDefinitionNode) for definition in document.definitions)


def cost(schema: GraphQLSchema, document: Any, operation_name: str | None, variables: Mapping[str, Any]) -> int:
    """What the operation may cost at most."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode) and (
            operation_name is None or (definition.name and definition.name.value == operation_name)
        ):
            root = schema.get_root_type(definition.operation)
            each = MUTATION_COST if root is schema.mutation_type else 1
            return _Costing(schema, fragments, variables).of(definition.selection_set, root, each)
    return 0


class _Costing:
    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> None:
        self.schema = schema
        self.fragments = fragments
        self.variables = variables
        self.weighed: dict[tuple[str, int], int] = {}

    def of(self, selection: SelectionSetNode | None, parent: Any, each: int = 1) -> int:
        if selection is None:
            return 0
        return sum(self._selection(node, parent, each) for node in selection.selections)

    def _selection(self, node: Any, parent: Any, each: int) -> int:
        if isinstance(node, FieldNode):
            return self._field(node, parent, each)
        if isinstance(node, InlineFragmentNode):
            narrowed = self.schema.get_type(node.type_condition.name.value) if node.type_condition else parent
            return self.of(node.selection_set, narrowed, each)
        assert isinstance(node, FragmentSpreadNode)
        return self._fragment(node.name.value, each)

    def _fragment(self, name: str, each: int) -> int:
        if (name, each) not in self.weighed:
            fragment = self.fragments[name]
            kind = self.schema.get_type(fragment.type_condition.name.value)
            self.weighed[name, each] = self.of(fragment.selection_set, kind, each)
        return self.weighed[name, each]

    def _field(self, node: FieldNode, parent: Any, each: int) -> int:
        if not isinstance(parent, (GraphQLObjectType, GraphQLInterfaceType)):
            return each
        field = parent.fields.get(node.name.value)
        if field is None or node.selection_set is None:
            return each
        return each + self._rows(node, field) * self.of(node.selection_set, get_named_type(field.type))

    def _rows(self, node: FieldNode, field: GraphQLField) -> int:
        is_list = isinstance(get_nullable_type(field.type), GraphQLList)
        if "first" in field.args and (is_list or str(get_named_type(field.type)).endswith("Connection")):
            return max(1, min(self._first(node, field), 10 * PAGE_SIZE_MAX))
        # The page's own size was counted at its connection.
        is_edges = node.name.value == "edges"
        return LIST_SIZE if is_list and not is_edges else 1

    def _first(self, node: FieldNode, field: GraphQLField) -> int:
        for argument in node.arguments or ():
            if argument.name.value == "first":
                if isinstance(argument.value, IntValueNode):
                    return int(argument.value.value)
                if isinstance(argument.value, VariableNode):
                    given = self.variables.get(argument.value.name.value)
                    return given if isinstance(given, int) else PAGE_SIZE_MAX
        return int(field.args["first"].default_value)
