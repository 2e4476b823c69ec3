"""Locations: stores and warehouses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from zoneinfo import available_timezones

import msgspec

from uriba.catalog import opening_hours
from uriba.catalog.enums import LocationKind
from uriba.core import text
from uriba.core.actor import Actor, Role
from uriba.core.errors import DomainError, Invalid, NotFound, Refusals
from uriba.core.quantities import check_rows
from uriba.db import Row, Session
from uriba.db.statements import fragment, statement


@dataclass(frozen=True, slots=True)
class LocationRow:
    """A location to create or change."""

    code: str
    name: str
    kind: LocationKind
    timezone: str = "UTC"
    offers_pickup: bool = False
    ships_orders: bool = False
    region: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    address: str | None = None
    phone: str | None = None
    pickup_ready_minutes: int = 60
    pickup_hold_days: int = 7
    opening_hours: str | None = None


async def upsert(session: Session, rows: Sequence[LocationRow]) -> int:
    """Create or change locations by code, all or none.

    Errors: `Invalid`, `LimitExceeded` above 1,000 rows.
    """
    check_rows(len(rows), "locations")
    refusals = Refusals()
    seen: set[str] = set()
    parsed = [_parse(row, index, seen, refusals) for index, row in enumerate(rows)]
    refusals.raise_any()
    await session.run(_UPSERT, locations=msgspec.json.encode(parsed).decode())
    return len(rows)


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())


def _parse(row: LocationRow, index: int, seen: set[str], refusals: Refusals) -> dict[str, object]:
    at = ("locations", index)
    try:
        code = text.code(row.code, *at, "code")
        if code in seen:
            raise Invalid("This location appears twice in one call.", *at, "code")
        seen.add(code)
        if row.timezone not in _timezones():
            raise Invalid("This is not a time zone. Give an IANA name, such as Asia/Tokyo.", *at, "timezone")
        name = text.text(row.name, *at, "name")
        geography_and_pickup = _geography_and_pickup(row, *at)
    except DomainError as error:
        refusals.caught(error)
        return {}
    return {
        "code": code,
        "name": name,
        "kind": row.kind,
        "timezone": row.timezone,
        "offers_pickup": row.offers_pickup,
        "ships_orders": row.ships_orders,
        **geography_and_pickup,
    }


def _geography_and_pickup(row: LocationRow, *at: str | int) -> dict[str, object]:
    """Return where the location is, and its terms of pickup."""
    if (row.latitude is None) != (row.longitude is None):
        raise Invalid("Give latitude and longitude together.", *at, "latitude")
    for name, value, most in (("latitude", row.latitude, 90), ("longitude", row.longitude, 180)):
        if value is not None and not -most <= value <= most:
            raise Invalid(f"Give from -{most} to {most} degrees.", *at, name)
    if not 0 <= row.pickup_ready_minutes <= 100_000:
        raise Invalid("Give from 0 to 100,000 minutes.", *at, "pickupReadyMinutes")
    if not 1 <= row.pickup_hold_days <= 365:
        raise Invalid("Give from 1 to 365 days.", *at, "pickupHoldDays")
    if row.opening_hours is not None and opening_hours.parse(row.opening_hours) is None:
        raise Invalid("Write opening hours as 09:00-21:00, or 00:00-24:00.", *at, "openingHours")
    return {
        "region": text.optional_text(row.region, *at, "region"),
        "latitude": row.latitude,
        "longitude": row.longitude,
        "address": text.optional_text(row.address, *at, "address"),
        "phone": text.optional_text(row.phone, *at, "phone"),
        "pickup_ready_minutes": row.pickup_ready_minutes,
        "pickup_hold_days": row.pickup_hold_days,
        "opening_hours": row.opening_hours,
    }


_UPSERT = statement("""
    INSERT INTO location (code, name, kind, timezone, offers_pickup, ships_orders, region, latitude, longitude, address,
        phone, pickup_ready_minutes, pickup_hold_days, opening_hours)
    SELECT code, name, kind, timezone, offers_pickup, ships_orders, region, latitude, longitude, address, phone,
        pickup_ready_minutes, pickup_hold_days, opening_hours FROM json_to_recordset(:locations::json)
        AS r(code text, name text, kind text, timezone text, offers_pickup boolean, ships_orders boolean, region text,
            latitude float8, longitude float8, address text, phone text, pickup_ready_minutes int, pickup_hold_days int,
            opening_hours text)
    ORDER BY code
    ON CONFLICT (code) DO UPDATE SET name = excluded.name, kind = excluded.kind, timezone = excluded.timezone,
        offers_pickup = excluded.offers_pickup, ships_orders = excluded.ships_orders, region = excluded.region,
        latitude = excluded.latitude, longitude = excluded.longitude, address = excluded.address,
        phone = excluded.phone, pickup_ready_minutes = excluded.pickup_ready_minutes,
        pickup_hold_days = excluded.pickup_hold_days, opening_hours = excluded.opening_hours
""")

LOCATION_ID_OF_CODE = fragment("SELECT o.id FROM location o WHERE o.code = {code}")
"""A scalar subquery, for statements of other domains that get location codes."""

LOCATION_HOURS = fragment("SELECT o.id, o.timezone, o.opening_hours FROM location o")
"""A subquery, for statements of other domains that need opening hours."""

LOCATIONS_OF_CHANNEL = fragment(
    "SELECT c.location_id, c.position FROM channel_location c WHERE c.channel_id = {channel}"
)
"""A subquery: the locations whose stock a channel may promise; `position`: the best has the lowest."""

SELLING_LOCATIONS_OF_CHANNEL = fragment("""
    SELECT c.location_id, c.position, o.offers_pickup, o.ships_orders
    FROM channel_location c JOIN location o ON o.id = c.location_id WHERE c.channel_id = {channel}
""")
"""The same, with what each location offers."""

_COLUMNS = fragment("""
    l.id, l.code, l.name, l.kind, l.timezone, l.offers_pickup, l.ships_orders, l.region, l.latitude, l.longitude,
    l.address, l.phone, l.pickup_ready_minutes, l.pickup_hold_days, l.opening_hours
""")


async def page(session: Session, *, first: int, after: int | None) -> list[Row]:
    """Return locations by age, at most one more than `first`."""
    return await session.fetch(_PAGE, after=after or 0, limit=first + 1)


_PAGE = statement(f"SELECT {_COLUMNS} FROM location l WHERE l.id > :after ORDER BY l.id LIMIT :limit")


async def by_id(session: Session, ids: Sequence[int]) -> dict[int, Row]:
    """Return locations by id."""
    return {row["id"]: row for row in await session.fetch(_BY_ID, ids=ids)}


_BY_ID = statement(f"SELECT {_COLUMNS} FROM location l WHERE l.id = ANY(:ids)")


async def by_code(session: Session, codes: Sequence[str]) -> dict[str, Row]:
    """Return locations by code."""
    return {row["code"]: row for row in await session.fetch(_BY_CODE, codes=codes)}


_BY_CODE = statement(f"SELECT {_COLUMNS} FROM location l WHERE l.code = ANY(:codes)")


async def with_channel(session: Session, code: str, *, channel_id: int) -> Row | None:
    """Return a location, and whether a channel sells its stock (`served`)."""
    return await session.fetchrow(_WITH_CHANNEL, code=code, channel_id=channel_id)


_WITH_CHANNEL = statement(f"""
    SELECT {_COLUMNS}, EXISTS (
        SELECT FROM channel_location s WHERE s.location_id = l.id AND s.channel_id = :channel_id
    ) AS served
    FROM location l WHERE l.code = :code
""")


async def by_channel(session: Session, channel_ids: Sequence[int]) -> dict[int, list[Row]]:
    """Return the locations whose stock a channel sells, the preferred ones first."""
    by_channel_id: dict[int, list[Row]] = {channel_id: [] for channel_id in channel_ids}
    for row in await session.fetch(_BY_CHANNEL, channel_ids=channel_ids):
        by_channel_id[row["channel_id"]].append(row)
    return by_channel_id


_BY_CHANNEL = statement(f"""
    SELECT s.channel_id, {_COLUMNS} FROM channel_location s JOIN location l ON l.id = s.location_id
    WHERE s.channel_id = ANY(:channel_ids) ORDER BY s.channel_id, s.position
""")


async def id_by_code(session: Session, code: str, *path: str) -> int:
    """Return the id of the location with this code. Errors: `NotFound`, at `location` or the given path."""
    location = (await by_code(session, [code])).get(code)
    if location is None:
        raise NotFound("There is no such location.", *(path or ("location",)))
    return int(location["id"])


async def id_for_actor(session: Session, code: str | None, *, actor: Actor) -> int:
    """Return the id of the location whose work an actor asks for; with None, the actor's own.

    Errors: `Invalid` where None is given and the actor has no location; `NotFound`, also for a terminal that asks for
    another location than its own.
    """
    if code is None and actor.location_id is None:
        raise Invalid("Name a location.", "location")
    location_id = actor.location_id if code is None else await id_by_code(session, code)
    assert location_id is not None
    if actor.role is Role.TERMINAL and location_id != actor.location_id:
        raise NotFound("There is no such location.", "location")
    return location_id
