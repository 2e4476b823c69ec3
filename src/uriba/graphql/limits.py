"""Limits of a query, checked before any of it runs: depth, aliases, tokens, and a budget of cost.

Cost: each field is 1, a mutation 10; what is below a list counts once per row that may come: `first` rows of a
connection, `LIST_SIZE` of a plain list. Fragments cost where they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from graphql.type import GraphQLField, GraphQLInterfaceType
from strawberry.extensions import (
    MaxAliasesLimiter,
    MaxTokensLimiter,
    ParserCache,
    QueryDepthLimiter,
    SchemaExtension,
    ValidationCache,
)

from graphql import (
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
    depth = QueryDepthLimiter(max_depth=settings.query_depth_max)
    aliases = MaxAliasesLimiter(max_alias_count=settings.query_aliases_max)
    return [
        lambda: MaxTokensLimiter(max_token_count=settings.query_tokens_max),
        lambda: _reused(depth),
        lambda: _reused(aliases),
        lambda: ParserCache(maxsize=DOCUMENTS_MAX),
        lambda: ValidationCache(maxsize=DOCUMENTS_MAX),
        lambda: CostLimit(settings.query_cost_max),
    ]


def _reused(limiter: Any) -> SchemaExtension:
    """A limiter of its own for each request, with one validation rule for all: the rule is part of the cache's key."""
    kind: Any = type(limiter)
    fresh: SchemaExtension = kind.__new__(kind)
    fresh.__dict__.update(limiter.__dict__)
    return fresh


class CostLimit(SchemaExtension):
    """Refuses an operation whose cost is above the budget."""

    def __init__(self, cost_max: int) -> None:
        self.cost_max = cost_max

    def on_validate(self) -> Iterator[None]:
        yield
        context = self.execution_context
        if context.pre_execution_errors or context.graphql_document is None:
            return
        schema: GraphQLSchema = context.schema._schema
        spent = cost(schema, context.graphql_document, context.operation_name, context.variables or {})
        if spent > self.cost_max:
            sentence = f"This query may cost {spent}, the budget is {self.cost_max}: ask for fewer rows or fields."
            context.pre_execution_errors = [GraphQLError(sentence, extensions={"code": TOO_COMPLEX})]


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
        fragment = self.fragments[node.name.value]
        return self.of(fragment.selection_set, self.schema.get_type(fragment.type_condition.name.value), each)

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
        return PAGE_SIZE_MAX
