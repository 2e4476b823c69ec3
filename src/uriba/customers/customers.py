"""Customers: made and changed by loyalty card, else e-mail, else phone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from uriba.core import text
from uriba.core.errors import Code, DomainError, Invalid, Refusals
from uriba.core.ids import new_id
from uriba.core.quantities import check_rows
from uriba.customers import identifiers
from uriba.customers.identifiers import FIELDS, Identifier
from uriba.db import Row, Session

_COLUMNS = "c.id, c.loyalty_card, c.email, c.phone, c.name"


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """A customer to make or change; what is not given stays as it is."""

    loyalty_card: str | None = None
    email: str | None = None
    phone: str | None = None
    name: str | None = None


async def upsert(session: Session, rows: Sequence[CustomerRow]) -> int:
    """Make or change customers, all or none.

    Errors: `Invalid` (no identifier, one twice in the call, one that belongs to another customer), `LimitExceeded`.
    """
    check_rows(len(rows), "customers")
    refusals = Refusals()
    parsed = [_parse(row, index, refusals) for index, row in enumerate(rows)]
    _refuse_doubles(parsed, refusals)
    refusals.raise_any()
    await _match(session, parsed, refusals)
    refusals.raise_any()
    await session.run(_UPSERT, msgspec.json.encode(parsed).decode())
    return len(rows)


def _parse(row: CustomerRow, index: int, refusals: Refusals) -> dict[str, str | None]:
    at = ("customers", index)
    try:
        if not (row.loyalty_card or row.email or row.phone):
            raise Invalid("A customer needs a loyalty card, an e-mail address or a phone number.", *at)
        return {
            "loyalty_card": identifiers.loyalty_card(row.loyalty_card, *at) if row.loyalty_card else None,
            "email": identifiers.email(row.email, *at) if row.email else None,
            "phone": identifiers.phone(row.phone, *at) if row.phone else None,
            "name": text.optional_text(row.name, *at, "name"),
        }
    except DomainError as error:
        refusals.caught(error)
        return {}


def _refuse_doubles(parsed: Sequence[dict[str, str | None]], refusals: Refusals) -> None:
    seen: set[tuple[str, str]] = set()
    for index, row in enumerate(parsed):
        for column, field in FIELDS.items():
            value = row.get(column)
            if value and (column, value) in seen:
                refusals.add(Code.INVALID, "This stands twice in one call.", "customers", index, field)
            elif value:
                seen.add((column, value))


async def _match(session: Session, parsed: Sequence[dict[str, str | None]], refusals: Refusals) -> None:
    """Give each row the id of the customer that its strongest identifier finds, else a new one."""
    # Two calls at once about the same people take turns, so that neither makes a second customer of one person.
    await session.run("SELECT pg_advisory_xact_lock(hashtext('uriba.customers'))")
    known: dict[tuple[str, str], UUID] = {}
    for column in FIELDS:
        values = [row[column] for row in parsed if row.get(column)]
        for found in await session.fetch(
            f"SELECT id, {column} AS value FROM customer WHERE {column} = ANY($1)", values
        ):
            known[column, found["value"]] = found["id"]
    for index, row in enumerate(parsed):
        given = [(column, value) for column in FIELDS if (value := row.get(column))]
        owner = next((known[key] for key in given if key in known), None)
        for column, value in given:
            if known.get((column, value), owner) != owner:
                refusals.add(Code.INVALID, "This belongs to another customer.", "customers", index, FIELDS[column])
        row["id"] = str(owner or new_id())


_UPSERT = """
    INSERT INTO customer AS c (id, loyalty_card, email, phone, name)
    SELECT id, loyalty_card, email, phone, name
    FROM json_to_recordset($1::json) AS r(id uuid, loyalty_card text, email text, phone text, name text) ORDER BY id
    ON CONFLICT (id) DO UPDATE SET loyalty_card = coalesce(excluded.loyalty_card, c.loyalty_card),
        email = coalesce(excluded.email, c.email), phone = coalesce(excluded.phone, c.phone),
        name = coalesce(excluded.name, c.name)
"""


async def find(session: Session, identifier: Identifier) -> Row | None:
    """The customer with this identifier."""
    return await session.fetchrow(
        f"SELECT {_COLUMNS} FROM customer c WHERE c.{identifier.column} = $1", identifier.value
    )


async def by_card(session: Session, cards: Sequence[str]) -> dict[str, UUID]:
    """The customers with these loyalty cards. Who is not known yet becomes a customer: a till may hand out cards."""
    found = await session.fetch("SELECT loyalty_card, id FROM customer WHERE loyalty_card = ANY($1)", cards)
    known = {row["loyalty_card"]: row["id"] for row in found}
    if new := sorted(set(cards) - set(known)):
        await session.run(
            "INSERT INTO customer (id, loyalty_card) SELECT * FROM unnest($1::uuid[], $2::text[]) "
            "ON CONFLICT DO NOTHING",
            [new_id() for _ in new],
            new,
        )
        rows = await session.fetch("SELECT loyalty_card, id FROM customer WHERE loyalty_card = ANY($1)", new)
        known |= {row["loyalty_card"]: row["id"] for row in rows}
    return known


async def by_id(session: Session, ids: Sequence[UUID]) -> dict[UUID, Row]:
    rows = await session.fetch(f"SELECT {_COLUMNS} FROM customer c WHERE c.id = ANY($1)", ids)
    return {row["id"]: row for row in rows}
