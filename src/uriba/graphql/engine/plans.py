"""Plans: a valid document, compiled once for the schema, so that its executions decide nothing twice.

graphql-core's interpreter looks up for every single value its type, its selected fields and whether it may be null. All
of that is known once the document is known. Documents with directives or introspection are not planned (`Unplannable`);
graphql-core executes those. `tests/graphql/test_plans.py` compares both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

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
    GraphQLString,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
)
from strawberry.types.graphql import OperationType as StrawberryOperationType

INT_MAX = 2**31 - 1

Path = tuple[Any, str | int]
"""The path of the parent (None above the root) and the response key or list index."""

Slot = tuple[Any, Any]
"""The nearest place in the response that may be null: a container and its key."""


class ObjectResolver(Protocol):
    """The part of an execution that completed values need: resolving the fields of one object."""

    def resolve_fields(self, fields: Sequence[FieldPlan], source: Any, path: Path, slot: Slot) -> dict[str, Any]: ...


Complete = Callable[[ObjectResolver, Any, Path, Slot], Any]
"""From a resolved value that is not null to its part of the response."""

BindResolver = Callable[[Any, dict[str, Any]], Callable[[Any], Any]]
"""From a field's info and coerced arguments to a call that only needs the source object."""


class Unplannable(Exception):
    """This document needs graphql-core's interpreter."""


class FieldPlan:
    """One selected field of one object type.

    `attribute` reads a field that is a plain attribute; `bind` binds any other resolver of ours to its arguments. Both
    are set on the schema's resolvers by `engine.schema`. `serialize` writes leaf values, `complete` all others.
    """

    __slots__ = (
        "attribute",
        "bind",
        "complete",
        "definition",
        "has_arguments",
        "key",
        "nodes",
        "nullable",
        "parent",
        "serialize",
    )

    def __init__(self, key: str, nodes: list[FieldNode], parent: GraphQLObjectType, definition: GraphQLField) -> None:
        self.key = key
        self.nodes = nodes
        self.parent = parent
        self.definition = definition
        self.nullable = not isinstance(definition.type, GraphQLNonNull)
        self.has_arguments = bool(definition.args or nodes[0].arguments)
        self.attribute: Callable[[Any], Any] | None = getattr(definition.resolve, "attribute", None)
        self.bind: BindResolver | None = getattr(definition.resolve, "bind", None)
        self.serialize: Callable[[Any], Any] | None = None
        self.complete: Complete = _complete_leaf


class Plan:
    """One operation of a document."""

    __slots__ = ("document", "fields", "fragments", "operation", "operation_type", "serial")

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
        self.operation_type = StrawberryOperationType(operation.operation.value)


def compile_plan(schema: GraphQLSchema, document: DocumentNode, operation_name: str | None) -> Plan:
    """Compile an operation of a valid document.

    Errors: `Unplannable`.
    """
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    operation = _operation(document, operation_name)
    root = schema.get_root_type(operation.operation)
    if operation.directives or operation.operation is OperationType.SUBSCRIPTION or root is None:
        raise Unplannable
    fields = _Compiler(schema, fragments).fields(root, [operation.selection_set])
    return Plan(document, operation, fragments, fields)


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    found = [
        d
        for d in document.definitions
        if isinstance(d, OperationDefinitionNode) and (name is None or (d.name and d.name.value == name))
    ]
    if len(found) != 1:
        raise Unplannable
    return found[0]


class _Compiler:
    def __init__(self, schema: GraphQLSchema, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self.schema = schema
        self.fragments = fragments

    def fields(self, parent: GraphQLObjectType, selections: Sequence[SelectionSetNode]) -> list[FieldPlan]:
        """Plan the fields that these selections take from an object type, in order, each response key once."""
        grouped: dict[str, list[FieldNode]] = {}
        for selection in selections:
            self._collect(parent, selection, grouped, set())
        return [self._field(parent, key, nodes) for key, nodes in grouped.items()]

    def _collect(
        self,
        parent: GraphQLObjectType,
        selection: SelectionSetNode,
        grouped: dict[str, list[FieldNode]],
        visited: set[str],
    ) -> None:
        for node in selection.selections:
            if node.directives:
                raise Unplannable
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                grouped.setdefault(key, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if node.type_condition is None or self._applies(parent, node.type_condition.name.value):
                    self._collect(parent, node.selection_set, grouped, visited)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in visited:
                visited.add(node.name.value)
                fragment = self.fragments[node.name.value]
                if fragment.directives:
                    raise Unplannable
                if self._applies(parent, fragment.type_condition.name.value):
                    self._collect(parent, fragment.selection_set, grouped, visited)

    def _applies(self, parent: GraphQLObjectType, condition: str) -> bool:
        return parent.name == condition or any(kind.name == condition for kind in parent.interfaces)

    def _field(self, parent: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> FieldPlan:
        name = nodes[0].name.value
        if name == "__typename":
            return _typename(parent, key, nodes)
        definition = parent.fields.get(name)
        if definition is None or definition.resolve is None:
            raise Unplannable
        plan = FieldPlan(key, nodes, parent, definition)
        bare = definition.type.of_type if isinstance(definition.type, GraphQLNonNull) else definition.type
        if is_leaf_type(bare):
            plan.serialize = leaf_serializer(bare)
        else:
            plan.complete = self._completer(bare, [n.selection_set for n in nodes if n.selection_set])
        return plan

    def _completer(self, kind: GraphQLOutputType, selections: list[SelectionSetNode]) -> Complete:
        if isinstance(kind, GraphQLList):
            item = kind.of_type
            bare = item.of_type if isinstance(item, GraphQLNonNull) else item
            return _list_completer(self._completer(bare, selections), isinstance(item, GraphQLNonNull))
        if is_leaf_type(kind):
            return _leaf_completer(leaf_serializer(kind))
        if isinstance(kind, GraphQLObjectType):
            return _object_completer(self.fields(kind, selections))
        if isinstance(kind, GraphQLInterfaceType):
            possible = self.schema.get_possible_types(kind)
            return _interface_completer({p.name: _object_completer(self.fields(p, selections)) for p in possible})
        raise Unplannable


def _typename(parent: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> FieldPlan:
    definition = GraphQLField(GraphQLNonNull(GraphQLString), resolve=lambda _source, _info: parent.name)
    plan = FieldPlan(key, nodes, parent, definition)
    plan.attribute = lambda _source: parent.name
    plan.serialize = str
    return plan


def leaf_serializer(kind: GraphQLLeafType) -> Callable[[Any], Any]:
    """Return what serializes a scalar or enum; values that have the right type already pass unchanged."""
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


def _complete_leaf(_resolver: ObjectResolver, _value: Any, _path: Path, _slot: Slot) -> Any:
    raise AssertionError("leaves are written by `serialize`")


def _leaf_completer(serialize: Callable[[Any], Any]) -> Complete:
    return lambda _resolver, value, _path, _slot: serialize(value)


def _object_completer(fields: list[FieldPlan]) -> Complete:
    return lambda resolver, value, path, slot: resolver.resolve_fields(fields, value, path, slot)


def _interface_completer(completers: dict[str, Complete]) -> Complete:
    def complete(resolver: ObjectResolver, value: Any, path: Path, slot: Slot) -> Any:
        return completers[type(value).__strawberry_definition__.name](resolver, value, path, slot)

    return complete


def _list_completer(item: Complete, item_required: bool) -> Complete:
    def complete(resolver: ObjectResolver, values: Any, path: Path, slot: Slot) -> Any:
        done: list[Any] = []
        for index, value in enumerate(values):
            if value is None and item_required:
                raise TypeError("Cannot return null for a list item that is not nullable.")
            done.append(None)
            if value is None:
                continue
            item_slot: Slot = slot if item_required else (done, index)
            done[index] = item(resolver, value, (path, index), item_slot)
        return done

    return complete
