"""Creating, changing and finding customers by loyalty card, else e-mail, else phone."""

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
from uriba.db.statements import fragment, statement

_COLUMNS = fragment("c.id, c.loyalty_card, c.email, c.phone, c.name")


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """A customer to create or change. Fields that are not given stay as they are."""

    loyalty_card: str | None = None
    email: str | None = None
    phone: str | None = None
    name: str | None = None


async def upsert(session: Session, rows: Sequence[CustomerRow]) -> int:
    """Create or change customers, all or none.

    Errors: `Invalid` (no identifier, one twice in the call, one that belongs to another customer), `LimitExceeded`.
    """
    check_rows(len(rows), "customers")
    refusals = Refusals()
    parsed = [_parse(row, index, refusals) for index, row in enumerate(rows)]
    _refuse_duplicates(parsed, refusals)
    refusals.raise_any()
    await _match(session, parsed, refusals)
    refusals.raise_any()
    await session.run(_UPSERT, customers=msgspec.json.encode(parsed).decode())
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


def _refuse_duplicates(parsed: Sequence[dict[str, str | None]], refusals: Refusals) -> None:
    seen: set[tuple[str, str]] = set()
    for index, row in enumerate(parsed):
        for column, field in FIELDS.items():
            value = row.get(column)
            if value and (column, value) in seen:
                refusals.add(Code.INVALID, "This appears twice in one call.", "customers", index, field)
            elif value:
                seen.add((column, value))


async def _match(session: Session, parsed: Sequence[dict[str, str | None]], refusals: Refusals) -> None:
    """Set each row's id: that of the customer found by its strongest identifier, else a new one."""
    # Serialized, so that two calls about one person do not create two customers.
    await session.run(_LOCK)
    known: dict[tuple[str, str], UUID] = {}
    for column in FIELDS:
        values = [row[column] for row in parsed if row.get(column)]
        for match in await session.fetch(_IDS_BY[column], values=values):
            known[column, match["value"]] = match["id"]
    for index, row in enumerate(parsed):
        pairs = [(column, value) for column in FIELDS if (value := row.get(column))]
        owner = next((known[key] for key in pairs if key in known), None)
        for column, value in pairs:
            if known.get((column, value), owner) != owner:
                refusals.add(Code.INVALID, "This belongs to another customer.", "customers", index, FIELDS[column])
        row["id"] = str(owner or new_id())


_LOCK = statement("SELECT pg_advisory_xact_lock(hashtext('uriba.customers'))")

_IDS_BY = {
    column: statement(f"SELECT id, {column} AS value FROM customer WHERE {column} = ANY(:values)") for column in FIELDS
}

_UPSERT = statement("""
    INSERT INTO customer AS c (id, loyalty_card, email, phone, name)
    SELECT id, loyalty_card, email, phone, name
    FROM json_to_recordset(:customers::json) AS r(id uuid, loyalty_card text, email text, phone text, name text)
    ORDER BY id
    ON CONFLICT (id) DO UPDATE SET loyalty_card = coalesce(excluded.loyalty_card, c.loyalty_card),
        email = coalesce(excluded.email, c.email), phone = coalesce(excluded.phone, c.phone),
        name = coalesce(excluded.name, c.name)
""")


async def find(session: Session, identifier: Identifier) -> Row | None:
    """Return the customer with this identifier."""
    return await session.fetchrow(_BY_IDENTIFIER[identifier.column], value=identifier.value)


_BY_IDENTIFIER = {
    column: statement(f"SELECT {_COLUMNS} FROM customer c WHERE c.{column} = :value") for column in FIELDS
}


async def ids_by_loyalty_card(session: Session, cards: Sequence[str]) -> dict[str, UUID]:
    """Return the ids of customers by loyalty card. Unknown cards become customers, because tills may hand out cards."""
    existing = await session.fetch(_IDS_BY_CARD, cards=cards)
    known = {row["loyalty_card"]: row["id"] for row in existing}
    if new := sorted(set(cards) - set(known)):
        await session.run(_INSERT_CARDS, ids=[new_id() for _ in new], cards=new)
        rows = await session.fetch(_IDS_BY_CARD, cards=new)
        known |= {row["loyalty_card"]: row["id"] for row in rows}
    return known


_IDS_BY_CARD = statement("SELECT loyalty_card, id FROM customer WHERE loyalty_card = ANY(:cards)")

_INSERT_CARDS = statement("""
    INSERT INTO customer (id, loyalty_card) SELECT * FROM unnest(:ids::uuid[], :cards::text[]) ON CONFLICT DO NOTHING
""")


async def by_id(session: Session, ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Return customers by id."""
    return {row["id"]: row for row in await session.fetch(_BY_ID, ids=ids)}


_BY_ID = statement(f"SELECT {_COLUMNS} FROM customer c WHERE c.id = ANY(:ids)")


async def ids_by_identifiers(session: Session, *, loyalty_card: str, email: str, phone: str | None) -> list[UUID]:
    """Return the ids of the customers with any of these identifiers, of which each belongs to one customer."""
    rows = await session.fetch(_IDS_BY_IDENTIFIERS, loyalty_card=loyalty_card, email=email, phone=phone)
    return [row["id"] for row in rows]


_IDS_BY_IDENTIFIERS = statement("""
    SELECT id FROM customer WHERE loyalty_card = :loyalty_card
    UNION SELECT id FROM customer WHERE email = :email
    UNION SELECT id FROM customer WHERE phone = :phone
""")
