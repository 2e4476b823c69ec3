"""Conversion of coerced arguments to the values that resolvers take, decided once per field instead of per call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any

from strawberry.schema.config import StrawberryConfig
from strawberry.types.base import StrawberryList, StrawberryOptional, has_object_definition
from strawberry.types.field import StrawberryField
from strawberry.types.lazy_type import LazyType

Converter = Callable[[Any], Any]


def arguments_converter(
    field: StrawberryField, config: StrawberryConfig
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return a function from a field's coerced arguments, by GraphQL name, to its resolver's, by Python name."""
    arguments = [
        (config.name_converter.from_argument(argument), argument.python_name, _converter(argument.type, config))
        for argument in field.arguments
    ]

    def convert(values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            python_name: values[name] if converter is None else converter(values[name])
            for name, python_name, converter in arguments
            if name in values
        }

    return convert


def _converter(kind: Any, config: StrawberryConfig) -> Converter | None:
    """Return None for values that need no conversion: scalars, enums and lists of them."""
    if isinstance(kind, StrawberryOptional):
        return _converter(kind.of_type, config)
    if isinstance(kind, LazyType):
        return _converter(kind.resolve_type(), config)
    if isinstance(kind, StrawberryList):
        return _list_converter(_converter(kind.of_type, config))
    if has_object_definition(kind):
        return _input_object_converter(kind, config)
    return None


def _list_converter(item: Converter | None) -> Converter:
    if item is None:
        return lambda values: None if values is None else list(values)
    return lambda values: None if values is None else [item(value) for value in values]


def _input_object_converter(kind: Any, config: StrawberryConfig) -> Converter:
    definition = kind.__strawberry_definition__
    assert definition.is_input and definition.from_input is None
    omitted = {
        field.python_name: None
        for field in definition.fields
        if field.default_value is MISSING and field.default_factory is MISSING
    }
    fields = [
        (
            config.name_converter.from_field(field),
            field.python_name,
            _converter(field.resolve_type(type_definition=definition), config),
        )
        for field in definition.fields
    ]

    def convert(values: Mapping[str, Any] | None) -> Any:
        if values is None:
            return None
        provided = {
            python_name: values[name] if converter is None else converter(values[name])
            for name, python_name, converter in fields
            if name in values
        }
        return kind(**{**omitted, **provided})

    return convert
