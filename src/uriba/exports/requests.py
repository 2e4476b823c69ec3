"""Export requests: which table, in which format, filtered by what, and who may make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from uriba.catalog import channels, locations
from uriba.core.actor import Actor, Role
from uriba.core.errors import Code, Denied, Invalid, NotFound, Refusals, Unauthenticated
from uriba.core.text import has_control
from uriba.db import Session

ALL_TIME = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))
"""A span that contains all orders. It is a day shorter than the calendar at both ends, so that its times exist in every
time zone. Prices that begin or end outside of it are exported without that end."""

READERS = frozenset({Role.APP, Role.STAFF})
"""The roles that may read the event feed may also export its subjects."""


class ExportTable(StrEnum):
    """The tables that can be exported."""

    PRODUCTS = "products"
    PRICES = "prices"
    STOCK = "stock"
    ORDERS = "orders"


class ExportFormat(StrEnum):
    """The file formats of exports."""

    CSV = "csv"
    PARQUET = "parquet"


FILTERS: Mapping[ExportTable, frozenset[str]] = {
    ExportTable.PRODUCTS: frozenset(),
    ExportTable.PRICES: frozenset({"channel"}),
    ExportTable.STOCK: frozenset({"location"}),
    ExportTable.ORDERS: frozenset({"channel", "since", "until"}),
}
"""The filters of each table: the code of a channel or location; the time at which orders were placed."""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """A request for an export. Orders are included if `since <= placed at < until`."""

    table: ExportTable
    format: ExportFormat
    location_id: int | None = None
    channel_id: int | None = None
    since: datetime = ALL_TIME[0]
    until: datetime = ALL_TIME[1]


def require_reader(actor: Actor) -> None:
    """Refuse actors that may not export. Errors: `Unauthenticated` without a key, `Denied` for other roles."""
    if actor.role is Role.ANONYMOUS:
        raise Unauthenticated("Exports need a key.")
    if actor.role not in READERS:
        raise Denied("Exports are for staff and apps.")


async def parse_request(
    session: Session, table: ExportTable, format: ExportFormat, filters: Mapping[str, str]
) -> ExportRequest:
    """Return the request for filters by name. Times are ISO 8601, and UTC if they have no zone.

    Errors: `Invalid` for a filter that the table does not have or a time that is not one, `NotFound` for a code.
    """
    _refuse_unknown(table, filters)
    return ExportRequest(
        table,
        format,
        location_id=await _location_id(session, filters.get("location")),
        channel_id=await _channel_id(session, filters.get("channel")),
        since=_parse_time(filters.get("since"), "since", ALL_TIME[0]),
        until=_parse_time(filters.get("until"), "until", ALL_TIME[1]),
    )


def _refuse_unknown(table: ExportTable, filters: Mapping[str, str]) -> None:
    """Refuse filters that the table does not have; ignoring one would export all rows."""
    refusals = Refusals()
    names = " and ".join(sorted(FILTERS[table]))
    message = (
        f"The export of {table} can be filtered by {names}." if names else f"The export of {table} has no filters."
    )
    for name in filters.keys() - FILTERS[table]:
        refusals.add(Code.INVALID, message, name)
    refusals.raise_any()


async def _location_id(session: Session, code: str | None) -> int | None:
    if code is None:
        return None
    by_code = {} if has_control(code) else await locations.by_code(session, [code])
    if code not in by_code:
        raise NotFound("There is no location with this code.", "location")
    return int(by_code[code]["id"])


async def _channel_id(session: Session, code: str | None) -> int | None:
    if code is None:
        return None
    by_code = {} if has_control(code) else await channels.by_code(session, [code])
    if code not in by_code:
        raise NotFound("There is no channel with this code.", "channel")
    return int(by_code[code]["id"])


def _parse_time(written: str | None, name: str, default: datetime) -> datetime:
    if written is None:
        return default
    try:
        parsed = datetime.fromisoformat(written)
        aware = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(f"{name} must be a time such as 2026-11-01T00:00:00Z.", name) from None
    return min(max(aware, ALL_TIME[0]), ALL_TIME[1])
