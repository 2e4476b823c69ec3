"""Wishes: which table is asked for, in which form, and which of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from uriba.catalog import channels, locations
from uriba.core.errors import Code, Invalid, NotFound, Refusals
from uriba.core.text import has_control
from uriba.db import Session

ALL_TIME = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))
"""A span that holds all orders, and what prices say of times that a calendar of four digits has."""


class ExportTable(StrEnum):
    """The tables that can be had whole."""

    PRODUCTS = "products"
    PRICES = "prices"
    STOCK = "stock"
    ORDERS = "orders"


class ExportFormat(StrEnum):
    """The forms that they come in."""

    CSV = "csv"
    PARQUET = "parquet"


FILTERS: Mapping[ExportTable, frozenset[str]] = {
    ExportTable.PRODUCTS: frozenset(),
    ExportTable.PRICES: frozenset({"channel"}),
    ExportTable.STOCK: frozenset({"location"}),
    ExportTable.ORDERS: frozenset({"channel", "since", "until"}),
}
"""What each table can be narrowed by: a location's code; a channel's; when orders were placed."""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is to be exported. `since` is part of the span, `until` is not."""

    subject: ExportTable
    form: ExportFormat
    location_id: int | None = None
    channel_id: int | None = None
    since: datetime = ALL_TIME[0]
    until: datetime = ALL_TIME[1]


async def parse_request(
    session: Session, subject: ExportTable, form: ExportFormat, given: Mapping[str, str]
) -> ExportRequest:
    """What filters by their names say. Moments are ISO 8601; without a zone they are UTC.

    Errors: `Invalid` for a filter that the table does not have and for a moment that is none, `NotFound` for a code.
    """
    _refuse_others(subject, given)
    return ExportRequest(
        subject,
        form,
        location_id=await _location(session, given.get("location")),
        channel_id=await _channel(session, given.get("channel")),
        since=_moment(given.get("since"), "since", ALL_TIME[0]),
        until=_moment(given.get("until"), "until", ALL_TIME[1]),
    )


def _refuse_others(subject: ExportTable, given: Mapping[str, str]) -> None:
    """A filter that is not known must not give all rows."""
    refusals = Refusals()
    names = " or ".join(sorted(FILTERS[subject])) or "nothing"
    for name in given.keys() - FILTERS[subject]:
        refusals.add(Code.INVALID, f"The export of {subject} can be narrowed by {names}.", name)
    refusals.raise_any()


async def _location(session: Session, code: str | None) -> int | None:
    if code is None:
        return None
    found = {} if has_control(code) else await locations.by_code(session, [code])
    if code not in found:
        raise NotFound("There is no such location.", "location")
    return int(found[code]["id"])


async def _channel(session: Session, code: str | None) -> int | None:
    if code is None:
        return None
    found = {} if has_control(code) else await channels.by_code(session, [code])
    if code not in found:
        raise NotFound("There is no such channel.", "channel")
    return int(found[code]["id"])


def _moment(said: str | None, name: str, default: datetime) -> datetime:
    if said is None:
        return default
    try:
        found = datetime.fromisoformat(said)
        aware = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(f"{name} is a moment such as 2026-11-01T00:00:00Z.", name) from None
    return min(max(aware, ALL_TIME[0]), ALL_TIME[1])
