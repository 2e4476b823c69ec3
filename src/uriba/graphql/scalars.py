"""Scalars and small types that all parts of the API use."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import NewType

import strawberry

from uriba.core import money
from uriba.core.errors import Code, DomainError, Problem

DecimalString = NewType("DecimalString", str)
"""A decimal as text, such as "19.99"; the hub never uses floats for it."""


def _parse(value: object) -> str:
    """Return a number as text, and text unchanged: the domain refuses what is not a decimal, with the field's path."""
    if isinstance(value, str):
        return value
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    raise ValueError('Decimal is a string such as "19.99".')


DECIMAL = strawberry.scalar(
    name="Decimal",
    description='A plain decimal as a string, such as "1280" or "19.99".',
    serialize=str,
    parse_value=_parse,
)


def _parse_time(value: object) -> datetime:
    """Parse ISO 8601; a time without an offset is UTC."""
    try:
        found = datetime.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError("DateTime is written in ISO 8601, such as 2026-01-01T09:00:00+09:00.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


DATE_TIME = strawberry.scalar(
    name="DateTime",
    description="A point in time: ISO 8601, such as 2026-01-01T09:00:00+09:00; UTC where no offset is given.",
    serialize=datetime.isoformat,
    parse_value=_parse_time,
)

ErrorCode = strawberry.enum(Code, name="ErrorCode", description="The reason of an error, for programs; stable.")


@strawberry.type(description="The reason why an operation was refused. Nothing was changed.")
class UserError:
    code: ErrorCode = strawberry.field(description="The reason, for programs.")  # type: ignore[valid-type]
    message: str = strawberry.field(description="A sentence that may be shown to users.")
    path: list[str] | None = strawberry.field(description="The input field that is wrong; rows are counted from 0.")


def user_errors(error: DomainError) -> list[UserError]:
    return user_errors_of(error.problems)


def user_errors_of(problems: Iterable[Problem]) -> list[UserError]:
    return [UserError(code=p.code, message=p.message, path=list(p.path) or None) for p in problems]


@strawberry.type(description="An amount in major units, with the currency's number of decimals.")
class Money:
    amount: DecimalString
    currency: str


def money_of(minor: int, currency: str) -> Money:
    return Money(amount=DecimalString(money.to_decimal(minor, currency)), currency=currency)


@strawberry.input(description="An amount in major units.")
class MoneyInput:
    amount: DecimalString
    currency: str


@strawberry.interface(description="An object with a global id.")
class Node:
    id: strawberry.ID


@strawberry.type(description="The position of a page among all pages (Relay).")
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None
