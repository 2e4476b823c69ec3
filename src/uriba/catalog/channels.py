"""Sales channels: their terms, tax rates and the locations whose stock they sell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from uriba.catalog.enums import SHIPPING_TAX_CLASS, Capture, ChannelKind
from uriba.core import money, text
from uriba.core.errors import Code, DomainError, Invalid, Refusals
from uriba.core.money import Rounding
from uriba.core.quantities import check_rows
from uriba.db import Row, Session
from uriba.db.statements import fragment, statement


@dataclass(frozen=True, slots=True)
class TaxRateRow:
    """A tax class and its rate, such as "0.08"."""

    tax_class: str
    rate: str


@dataclass(frozen=True, slots=True)
class IssuerRow:
    """The issuer of a channel's receipts. `registration_number`: for tax; in Japan T and 13 digits."""

    name: str
    registration_number: str | None = None
    address: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel to create or change. `locations`: codes, the preferred ones first; amounts are in major units."""

    code: str
    name: str
    kind: ChannelKind
    currency: str
    locations: Sequence[str]
    tax_rates: Sequence[TaxRateRow]
    prices_include_tax: bool = True
    shipping_price: str = "0"
    tax_rounding: Rounding = Rounding.HALF_UP
    capture: Capture = Capture.AT_CHECKOUT
    split_limit: int | None = None
    return_window_days: int | None = None
    return_approval_above: str | None = None
    points_per_unit: str = "0"
    point_value: str = "0"
    issuer: IssuerRow | None = None


async def upsert(session: Session, rows: Sequence[ChannelRow]) -> int:
    """Create or change channels by code, all or none.

    Errors: `Invalid`, `NotFound` for unknown locations, `LimitExceeded` above 1,000 rows.
    """
    check_rows(len(rows), "channels")
    refusals = Refusals()
    parsed = [_parse(row, index, refusals) for index, row in enumerate(rows)]
    _refuse_duplicates([row.code.strip() for row in rows], refusals)
    await _refuse_unknown_locations(session, rows, refusals)
    await _refuse_other_currency(session, rows, refusals)
    refusals.raise_any()
    channels = msgspec.json.encode(parsed).decode()
    await session.run(_UPSERT, channels=channels)
    await session.run(_UPSERT_LOCATIONS_AND_RATES, channels=channels)
    return len(rows)


def _parse(row: ChannelRow, index: int, refusals: Refusals) -> dict[str, object]:
    at = ("channels", index)
    try:
        currency = money.check_currency(row.currency, *at, "currency")
        shipping = money.to_minor(row.shipping_price, currency, *at, "shippingPrice")
        if shipping < 0:
            raise Invalid("A price must not be negative.", *at, "shippingPrice")
        rates = _rates(row.tax_rates, *at, "taxRates")
        if shipping and rates and SHIPPING_TAX_CLASS not in rates:
            raise Invalid("Shipping has tax class standard, for which this channel has no rate.", *at, "taxRates")
        return {
            "code": text.code(row.code, *at, "code"),
            "name": text.text(row.name, *at, "name"),
            "kind": row.kind,
            "currency": currency,
            "prices_include_tax": row.prices_include_tax,
            "tax_rounding": row.tax_rounding,
            "shipping_price_minor": shipping,
            "locations": list(dict.fromkeys(row.locations)),
            "rates": rates,
            **_terms(row, currency, *at),
        }
    except DomainError as error:
        refusals.caught(error)
        return {}


def _terms(row: ChannelRow, currency: str, *at: str | int) -> dict[str, object]:
    """Return the terms of capture, shipping, returns and points."""
    above = row.return_approval_above
    return {
        "capture": row.capture,
        "split_limit": _at_least(row.split_limit, 1, *at, "splitLimit"),
        "return_window_days": _at_least(row.return_window_days, 0, *at, "returnWindowDays"),
        "return_approval_minor": None if above is None else _amount(above, currency, *at, "returnApprovalAbove"),
        "points_per_unit": _points(row.points_per_unit, *at, "pointsPerUnit"),
        "point_value_minor": _amount(row.point_value, currency, *at, "pointValue"),
        "issuer": None if row.issuer is None else _issuer(row.issuer, *at, "issuer"),
    }


def _at_least(value: int | None, least: int, *at: str | int) -> int | None:
    if value is not None and not least <= value <= 10_000:
        raise Invalid(f"Give a number from {least} to 10,000.", *at)
    return value


def _amount(value: str, currency: str, *at: str | int) -> int:
    minor = money.to_minor(value, currency, *at)
    if minor < 0:
        raise Invalid("This must not be negative.", *at)
    return minor


def _points(value: str, *at: str | int) -> str:
    if re.fullmatch(r"(0|[1-9][0-9]{0,3})(\.[0-9]{1,4})?", value, re.ASCII) is None:
        raise Invalid("Give the points per unit of money as a decimal from 0 to 9999.9999.", *at)
    return value


def _issuer(issuer: IssuerRow, *at: str | int) -> dict[str, str | None]:
    return {
        "name": text.text(issuer.name, *at, "name"),
        "registration_number": text.optional_text(issuer.registration_number, *at, "registrationNumber"),
        "address": text.optional_text(issuer.address, *at, "address"),
        "phone": text.optional_text(issuer.phone, *at, "phone"),
    }


def _rates(rates: Sequence[TaxRateRow], *at: str | int) -> dict[str, str]:
    rate_by_class: dict[str, str] = {}
    for n, rate in enumerate(rates):
        tax_class = text.code(rate.tax_class, *at, n, "taxClass")
        if tax_class in rate_by_class:
            raise Invalid("This tax class appears twice in one channel.", *at, n, "taxClass")
        rate_by_class[tax_class] = money.to_rate(rate.rate, *at, n, "rate")
    return rate_by_class


def _refuse_duplicates(codes: Sequence[str], refusals: Refusals) -> None:
    for index, code in enumerate(codes):
        if code in codes[:index]:
            refusals.add(Code.INVALID, "This channel appears twice in one call.", "channels", index, "code")


async def _refuse_unknown_locations(session: Session, rows: Sequence[ChannelRow], refusals: Refusals) -> None:
    codes = [code for row in rows for code in row.locations if not text.has_control(code)]
    known = {r["code"] for r in await session.fetch(_KNOWN_LOCATIONS, codes=codes)}
    for index, row in enumerate(rows):
        for n, code in enumerate(row.locations):
            if code not in known:
                refusals.add(Code.NOT_FOUND, "There is no such location.", "channels", index, "locations", n)


_KNOWN_LOCATIONS = statement("SELECT code FROM location WHERE code = ANY(:codes)")


async def _refuse_other_currency(session: Session, rows: Sequence[ChannelRow], refusals: Refusals) -> None:
    """Refuse a change of currency, because the channel's prices, carts and orders are in its first one."""
    codes = [row.code.strip() for row in rows if not text.has_control(row.code)]
    existing = await session.fetch(_CURRENCIES, codes=codes)
    currencies = {r["code"]: r["currency"] for r in existing}
    for index, row in enumerate(rows):
        if currencies.get(row.code.strip(), row.currency) != row.currency:
            refusals.add(Code.INVALID, "The currency of a channel cannot be changed.", "channels", index, "currency")


_CURRENCIES = statement("SELECT code, currency FROM channel WHERE code = ANY(:codes)")

_ROWS = fragment("""
    json_to_recordset(:channels::json) AS r(code text, name text, kind text, currency text, prices_include_tax boolean,
        tax_rounding text, shipping_price_minor bigint, capture text, split_limit int, return_window_days int,
        return_approval_minor bigint, points_per_unit numeric, point_value_minor bigint, issuer jsonb, locations json,
        rates json)
""")
_UPSERT = statement(f"""
    INSERT INTO channel (code, name, kind, currency, prices_include_tax, tax_rounding, shipping_price_minor, capture,
        split_limit, return_window_days, return_approval_minor, points_per_unit, point_value_minor, issuer)
    SELECT code, name, kind, currency, prices_include_tax, tax_rounding, shipping_price_minor, capture, split_limit,
        return_window_days, return_approval_minor, points_per_unit, point_value_minor, issuer
    FROM {_ROWS} ORDER BY code
    ON CONFLICT (code) DO UPDATE SET name = excluded.name, kind = excluded.kind,
        prices_include_tax = excluded.prices_include_tax, tax_rounding = excluded.tax_rounding,
        shipping_price_minor = excluded.shipping_price_minor, capture = excluded.capture,
        split_limit = excluded.split_limit, return_window_days = excluded.return_window_days,
        return_approval_minor = excluded.return_approval_minor, points_per_unit = excluded.points_per_unit,
        point_value_minor = excluded.point_value_minor, issuer = excluded.issuer
""")
_UPSERT_LOCATIONS_AND_RATES = statement(f"""
    WITH r AS (SELECT c.id, r.locations, r.rates FROM {_ROWS} JOIN channel c USING (code)),
    sells AS (
        SELECT r.id AS channel_id, l.id AS location_id, s.n - 1 AS position
        FROM r, json_array_elements_text(r.locations) WITH ORDINALITY AS s(code, n) JOIN location l ON l.code = s.code
    ), taxes AS (
        SELECT r.id AS channel_id, t.key AS tax_class, t.value::numeric AS rate FROM r, json_each_text(r.rates) AS t
    ), removed_locations AS (
        DELETE FROM channel_location c USING r WHERE c.channel_id = r.id
            AND NOT EXISTS (SELECT FROM sells s WHERE (s.channel_id, s.location_id) = (c.channel_id, c.location_id))
    ), removed_rates AS (
        DELETE FROM tax_rate t USING r WHERE t.channel_id = r.id
            AND NOT EXISTS (SELECT FROM taxes x WHERE (x.channel_id, x.tax_class) = (t.channel_id, t.tax_class))
    ), written_locations AS (
        INSERT INTO channel_location SELECT channel_id, location_id, position FROM sells
        ON CONFLICT (channel_id, location_id) DO UPDATE SET position = excluded.position
    )
    INSERT INTO tax_rate SELECT channel_id, tax_class, rate FROM taxes
    ON CONFLICT (channel_id, tax_class) DO UPDATE SET rate = excluded.rate
""")

_COLUMNS = fragment("""
    c.id, c.code, c.name, c.kind, c.currency, c.prices_include_tax, c.tax_rounding, c.shipping_price_minor, c.capture,
    c.split_limit, c.return_window_days, c.return_approval_minor, c.points_per_unit, c.point_value_minor, c.issuer
""")


async def all_channels(session: Session) -> list[Row]:
    """Return all channels by code."""
    return await session.fetch(_ALL)


_ALL = statement(f"SELECT {_COLUMNS} FROM channel c ORDER BY c.code")


async def by_id(session: Session, ids: Sequence[int]) -> dict[int, Row]:
    """Return channels by id."""
    return {row["id"]: row for row in await session.fetch(_BY_ID, ids=ids)}


_BY_ID = statement(f"SELECT {_COLUMNS} FROM channel c WHERE c.id = ANY(:ids)")


async def by_code(session: Session, codes: Sequence[str]) -> dict[str, Row]:
    """Return channels by code."""
    return {row["code"]: row for row in await session.fetch(_BY_CODE, codes=codes)}


_BY_CODE = statement(f"SELECT {_COLUMNS} FROM channel c WHERE c.code = ANY(:codes)")


async def store_channel_of(session: Session, location_id: int) -> int | None:
    """Return the STORE channel that lists the location, which is the channel of its terminals."""
    channel_id: int | None = await session.fetchval(_STORE_CHANNEL, location_id=location_id)
    return channel_id


_STORE_CHANNEL = statement("""
    SELECT c.id FROM channel c JOIN channel_location l ON l.channel_id = c.id
    WHERE l.location_id = :location_id AND c.kind = 'STORE' ORDER BY l.position, c.id LIMIT 1
""")


async def with_rates(session: Session, channel_id: int) -> Row:
    """Return a channel with its tax rates, as pairs of class and rate."""
    row = await session.fetchrow(_WITH_RATES, channel_id=channel_id)
    assert row is not None
    return row


_WITH_RATES = statement(f"""
    SELECT {_COLUMNS}, (
        SELECT json_agg(json_build_array(t.tax_class, t.rate::text) ORDER BY t.tax_class)
        FROM tax_rate t WHERE t.channel_id = c.id
    ) AS rates
    FROM channel c WHERE c.id = :channel_id
""")


async def tax_rates(session: Session, channel_id: int) -> list[Row]:
    """Return a channel's tax rates (tax_class, rate as text), by class."""
    return await session.fetch(_TAX_RATES, channel_id=channel_id)


_TAX_RATES = statement("""
    SELECT tax_class, trim_scale(rate)::text AS rate FROM tax_rate WHERE channel_id = :channel_id ORDER BY tax_class
""")
