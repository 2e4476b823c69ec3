"""Plans: a valid document, compiled once for the schema, so that running it decides nothing twice.

graphql-core's interpreter asks of every single value what its type is, which fields were selected and whether they may
be null. All of that is known once the document is. What a plan does not know (directives, introspection) it refuses to
plan, and graphql-core runs it. A test holds both ways against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from strawberry.types.graphql import OperationType as Kind

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
)

if TYPE_CHECKING:
    from uriba.graphql.engine.execution import Run, Slot

Path = tuple[Any, str | int]
Complete = Callable[["Run", Any, Path, "Slot"], Any]

Prepare = Callable[[Any, dict[str, Any]], Callable[[Any], Any]]
"""From a field's info and arguments to a call that only needs the object."""

INT_MAX = 2**31 - 1


class Unplanned(Exception):
    """This document needs the interpreter."""


class FieldPlan:
    """One selected field of one object type."""

    __slots__ = ("complete", "definition", "direct", "key", "leaf", "nodes", "nullable", "parent", "plain", "takes")

    def __init__(self, key: str, nodes: list[FieldNode], parent: GraphQLObjectType, definition: GraphQLField) -> None:
        self.key = key
        self.nodes = nodes
        self.parent = parent
        self.definition = definition
        self.nullable = not isinstance(definition.type, GraphQLNonNull)
        self.takes = bool(definition.args or nodes[0].arguments)
        self.direct: Prepare | None = getattr(definition.resolve, "direct", None)
        self.plain: Callable[[Any], Any] | None = getattr(definition.resolve, "plain", None)
        self.leaf: Callable[[Any], Any] | None = None
        self.complete: Complete = _uncompleted


class Plan:
    """One operation of a document."""

    __slots__ = ("document", "fields", "fragments", "kind", "operation", "serial")

    def __init__(
        self,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDefinitionNode],
        fields: list[FieldPlan],
    ) -> None:
        self.document = document
        self.operation = operation
        self.fragments = fragments
        self.fields = fields
        self.serial = operation.operation is OperationType.MUTATION
        self.kind = Kind(operation.operation.value)


def make(schema: GraphQLSchema, document: DocumentNode, operation_name: str | None) -> Plan:
    """Compile an operation. Errors: `Unplanned`."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    operation = _operation(document, operation_name)
    root = schema.get_root_type(operation.operation)
    if operation.directives or operation.operation is OperationType.SUBSCRIPTION or root is None:
        raise Unplanned
    fields = _Compiler(schema, fragments).fields(root, [operation.selection_set])
    return Plan(document, operation, fragments, fields)


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    found = [
        d
        for d in document.definitions
        if isinstance(d, OperationDefinitionNode) and (name is None or (d.name and d.name.value == name))
    ]
    if len(found) != 1:
        raise Unplanned
    return found[0]


class _Compiler:
    def __init__(self, schema: GraphQLSchema, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self.schema = schema
        self.fragments = fragments

    def fields(self, parent: GraphQLObjectType, selections: Sequence[SelectionSetNode]) -> list[FieldPlan]:
        """The fields of an object type that these selections name, in their order, each response key once."""
        grouped: dict[str, list[FieldNode]] = {}
        for selection in selections:
            self._collect(parent, selection, grouped, set())
        return [self._field(parent, key, nodes) for key, nodes in grouped.items()]

    def _collect(
        self,
        parent: GraphQLObjectType,
        selection: SelectionSetNode,
        grouped: dict[str, list[FieldNode]],
        seen: set[str],
    ) -> None:
        for node in selection.selections:
            if node.directives:
                raise Unplanned
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                grouped.setdefault(key, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if node.type_condition is None or self._applies(parent, node.type_condition.name.value):
                    self._collect(parent, node.selection_set, grouped, seen)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                fragment = self.fragments[node.name.value]
                if fragment.directives:
                    raise Unplanned
                if self._applies(parent, fragment.type_condition.name.value):
                    self._collect(parent, fragment.selection_set, grouped, seen)

    def _applies(self, parent: GraphQLObjectType, condition: str) -> bool:
        return parent.name == condition or any(kind.name == condition for kind in parent.interfaces)

    def _field(self, parent: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> FieldPlan:
        name = nodes[0].name.value
        if name == "__typename":
            return _typename(parent, key, nodes)
        definition = parent.fields.get(name)
        if definition is None or definition.resolve is None:
            raise Unplanned
        plan = FieldPlan(key, nodes, parent, definition)
        bare = definition.type.of_type if isinstance(definition.type, GraphQLNonNull) else definition.type
        if is_leaf_type(bare):
            plan.leaf = leaf(bare)
        else:
            plan.complete = self._completer(bare, [n.selection_set for n in nodes if n.selection_set])
        return plan

    def _completer(self, kind: GraphQLOutputType, selections: list[SelectionSetNode]) -> Complete:
        """How a value that is not null becomes part of the answer."""
        if isinstance(kind, GraphQLList):
            item = kind.of_type
            bare = item.of_type if isinstance(item, GraphQLNonNull) else item
            return _list_of(self._completer(bare, selections), isinstance(item, GraphQLNonNull))
        if is_leaf_type(kind):
            return _leaf_of(leaf(kind))
        if isinstance(kind, GraphQLObjectType):
            return _object_of(self.fields(kind, selections))
        if isinstance(kind, GraphQLInterfaceType):
            possible = self.schema.get_possible_types(kind)
            return _one_of({p.name: _object_of(self.fields(p, selections)) for p in possible})
        raise Unplanned


def _typename(parent: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> FieldPlan:
    from graphql import GraphQLString

    definition = GraphQLField(GraphQLNonNull(GraphQLString), resolve=lambda _source, _info: parent.name)
    plan = FieldPlan(key, nodes, parent, definition)
    plan.plain = lambda _source: parent.name
    plan.leaf = str
    return plan


def leaf(kind: GraphQLLeafType) -> Callable[[Any], Any]:
    """How a scalar or enum value is written; the common ones without a second look."""
    coerce: Callable[[Any], Any] = kind.coerce_output_value
    match get_named_type(kind).name:
        case "String" | "ID" | "Decimal":
            return lambda value: value if type(value) is str else coerce(value)
        case "Int":
            return lambda value: value if type(value) is int and -INT_MAX <= value <= INT_MAX else coerce(value)
        case "Boolean":
            return lambda value: value if type(value) is bool else coerce(value)
        case _:
            return coerce


def _uncompleted(_run: Run, _value: Any, _path: Path, _slot: Slot) -> Any:
    raise AssertionError("a leaf is written by `leaf`")


def _leaf_of(write: Callable[[Any], Any]) -> Complete:
    return lambda _run, value, _path, _slot: write(value)


def _object_of(fields: list[FieldPlan]) -> Complete:
    return lambda run, value, path, slot: run.fields(fields, value, path, slot)


def _one_of(kinds: dict[str, Complete]) -> Complete:
    def complete(run: Run, value: Any, path: Path, slot: Slot) -> Any:
        return kinds[type(value).__strawberry_definition__.name](run, value, path, slot)

    return complete


def _list_of(item: Complete, required: bool) -> Complete:
    def complete(run: Run, values: Any, path: Path, slot: Slot) -> Any:
        done: list[Any] = []
        for index, value in enumerate(values):
            if value is None and required:
                raise TypeError("Cannot return null for a list item that is not nullable.")
            if value is None:
                done.append(None)
                continue
            done.append(None)
            own: Slot = slot if required else (done, index)
            done[index] = item(run, value, (path, index), own)
        return done

    return complete
