"""Look-ahead: what a root field's selection will need, so that it is read with the page and not per row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLResolveInfo,
    InlineFragmentNode,
    SelectionSetNode,
    StringValueNode,
    VariableNode,
)
from uriba.graphql.context import Info


def selected(info: Info) -> dict[str, list[FieldNode]]:
    """Selected fields by dotted path below this one, such as "edges.node.variants.price"."""
    raw: GraphQLResolveInfo[Any] = info._raw_info
    found: dict[str, list[FieldNode]] = {}
    for node in raw.field_nodes:
        for path, field in _walk(node.selection_set, raw, ""):
            found.setdefault(path, []).append(field)
    return found


def _walk(
    selection: SelectionSetNode | None, raw: GraphQLResolveInfo[Any], prefix: str
) -> Iterator[tuple[str, FieldNode]]:
    for node in selection.selections if selection else ():
        if isinstance(node, FieldNode):
            path = prefix + node.name.value
            yield path, node
            if node.selection_set:
                yield from _walk(node.selection_set, raw, path + ".")
        elif isinstance(node, InlineFragmentNode):
            yield from _walk(node.selection_set, raw, prefix)
        elif isinstance(node, FragmentSpreadNode):
            yield from _walk(raw.fragments[node.name.value].selection_set, raw, prefix)


def text_argument(field: FieldNode, name: str, info: Info) -> str | None:
    """The text that a field's argument will have, from the document or its variables."""
    for argument in field.arguments or ():
        if argument.name.value == name:
            if isinstance(argument.value, StringValueNode):
                return argument.value.value
            if isinstance(argument.value, VariableNode):
                variables: Any = info._raw_info.variable_values
                value = variables.get(argument.value.name.value)
                return value if isinstance(value, str) else None
    return None
