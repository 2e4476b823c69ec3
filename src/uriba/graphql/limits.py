"""Limits of a query, checked before any of it runs: depth, aliases, tokens, and a budget of cost.

Cost: each field is 1, a mutation 10; what is below a list counts once per row that may come: `first` rows of a
connection, `LIST_SIZE` of a plain list. Fragments cost where they are used, and are weighed once: a tower of fragments
that spread each other takes no time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from graphql.type import GraphQLField, GraphQLInterfaceType
from strawberry.extensions import AddValidationRules, MaxTokensLimiter, ParserCache, SchemaExtension, ValidationCache
from strawberry.types import ExecutionContext

from graphql import (
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
    get_named_type,
    get_nullable_type,
)
from uriba.config import Settings
from uriba.core.pages import PAGE_SIZE_MAX
from uriba.graphql.errors import TOO_COMPLEX

LIST_SIZE = 5
MUTATION_COST = 10
DOCUMENTS_MAX = 512


def extensions(settings: Settings) -> list[Callable[[], SchemaExtension]]:
    """Caches and limits; documents are parsed and validated once."""

    class ShapeOfThese(Shape):
        depth_max = settings.query_depth_max
        aliases_max = settings.query_aliases_max

    return [
        lambda: MaxTokensLimiter(max_token_count=settings.query_tokens_max),
        lambda: AddValidationRules([ShapeOfThese]),
        lambda: Parsed(maxsize=DOCUMENTS_MAX),
        lambda: ValidationCache(maxsize=DOCUMENTS_MAX),
        lambda: CostLimit(settings.query_cost_max),
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


class Shape(ASTValidationRule):
    """Refuses operations that are nested too deeply, or name too many fields anew. Introspection has its own limit."""

    depth_max: ClassVar[int]
    aliases_max: ClassVar[int]

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self._fragments: dict[str, tuple[int, int]] = {}

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: object) -> None:
        depth, aliases = self._of(node.selection_set)
        if depth > self.depth_max:
            self._refuse(f"This operation is {depth} levels deep, at most {self.depth_max} are allowed.", node)
        if aliases > self.aliases_max:
            self._refuse(f"This operation has {aliases} aliases, at most {self.aliases_max} are allowed.", node)

    def _refuse(self, sentence: str, node: OperationDefinitionNode) -> None:
        self.report_error(GraphQLError(sentence, node, extensions={"code": TOO_COMPLEX}))

    def _of(self, selection: SelectionSetNode | None) -> tuple[int, int]:
        """The deepest level and the number of aliases of a selection."""
        found = [self._node(node) for node in selection.selections] if selection else []
        return max((depth for depth, _ in found), default=0), sum(aliases for _, aliases in found)

    def _node(self, node: Any) -> tuple[int, int]:
        if isinstance(node, FragmentSpreadNode):
            return self._fragment(node.name.value)
        depth, aliases = self._of(node.selection_set)
        if isinstance(node, FieldNode):
            aliases += node.alias is not None
            if node.name.value.startswith("__"):
                return 0, aliases
            depth += node.selection_set is not None
        return depth, aliases

    def _fragment(self, name: str) -> tuple[int, int]:
        if name not in self._fragments:
            # One that spreads itself is another rule's to refuse; here it only must come to an end.
            self._fragments[name] = (0, 0)
            fragment = self.context.get_fragment(name)
            self._fragments[name] = self._of(fragment.selection_set if fragment else None)
        return self._fragments[name]


class CostLimit(SchemaExtension):
    """Refuses an operation whose cost is above the budget, and one of several that nobody named."""

    def __init__(self, cost_max: int) -> None:
        self.cost_max = cost_max

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
        schema: GraphQLSchema = context.schema._schema
        spent = cost(schema, context.graphql_document, context.operation_name, context.variables or {})
        if spent <= self.cost_max:
            return None
        sentence = f"This query may cost {spent}, the budget is {self.cost_max}: ask for fewer rows or fields."
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
        if "first" in field.args:
            return max(1, min(self._first(node, field), 10 * PAGE_SIZE_MAX))
        # The page's own size was counted at its connection.
        is_edges = node.name.value == "edges"
        return LIST_SIZE if isinstance(get_nullable_type(field.type), GraphQLList) and not is_edges else 1

    def _first(self, node: FieldNode, field: GraphQLField) -> int:
        for argument in node.arguments or ():
            if argument.name.value == "first":
                if isinstance(argument.value, IntValueNode):
                    return int(argument.value.value)
                if isinstance(argument.value, VariableNode):
                    given = self.variables.get(argument.value.name.value)
                    return given if isinstance(given, int) else PAGE_SIZE_MAX
        return int(field.args["first"].default_value)
