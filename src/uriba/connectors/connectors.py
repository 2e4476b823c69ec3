"""The register of connectors: made, changed, asked to run and deleted by staff or the channel's app.

A change takes the connector away from whoever runs it (`fence`), so that nothing goes out by the old terms.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from uriba.catalog import channels
from uriba.connectors import sent_values
from uriba.connectors.models import ConnectorKind
from uriba.connectors.sent_values import Difference
from uriba.core.actor import Actor
from uriba.core.errors import Invalid, InvalidState, LimitExceeded, NotFound
from uriba.core.ids import new_id
from uriba.db import Row, Session

CONNECTORS_MAX = 10
"""Of one channel."""

EVERY_S_MIN, EVERY_S_MAX = 5, 86_400
TOKEN_SIZE_MAX = 4_096
PIECES_MAX = 20
"""Of the channel's goods that one page of differences looks through."""

_CODE = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", re.ASCII)
FREE = "fence = fence + 1, lease_until = NULL"
_OWN = "(${0}::bigint IS NULL OR channel_id = ${0})"


@dataclass(frozen=True, slots=True)
class Terms:
    """How a connector reaches its channel. `url` and `token` are of REST; the url was checked."""

    code: str
    kind: ConnectorKind
    url: str | None
    token: str | None
    every_s: int


def check(terms: Terms) -> Terms:
    """Errors: `Invalid`."""
    if _CODE.fullmatch(terms.code) is None:
        raise Invalid("A code has up to 40 small letters, digits and hyphens: it names a folder.", "input", "code")
    if terms.kind is ConnectorKind.FILE and (terms.url is not None or terms.token is not None):
        raise Invalid("A FILE connector has a folder of its own, and neither url nor token.", "input", "kind")
    if terms.kind is ConnectorKind.REST and terms.url is None:
        raise Invalid("A REST connector needs the base URL of its channel.", "input", "url")
    _check_rest(terms.url, terms.token)
    _check_every(terms.every_s)
    return terms


def _check_rest(url: str | None, token: str | None) -> None:
    if url is not None and "?" in url:
        raise Invalid("A base URL has no query: paths are added to it.", "input", "url")
    if token is not None and (not 0 < len(token) <= TOKEN_SIZE_MAX or not (token.isascii() and token.isprintable())):
        raise Invalid(f"A token is plain text of up to {TOKEN_SIZE_MAX:,} characters.", "input", "token")


def _check_every(every_s: int) -> None:
    if not EVERY_S_MIN <= every_s <= EVERY_S_MAX:
        raise Invalid(f"A connector runs every {EVERY_S_MIN} to {EVERY_S_MAX:,} seconds.", "input", "everySeconds")


async def create(session: Session, *, channel_id: int, terms: Terms) -> Row:
    """A connector that tells all that its channel sells, in its first run. One that was deleted comes back with its
    code, and knows which orders it brought.

    Errors: `Invalid`, `InvalidState` for a code that is taken, `LimitExceeded`.
    """
    check(terms)
    count = await session.fetchval(
        "SELECT count(*) FROM connector WHERE deleted_at IS NULL AND channel_id = $1", channel_id
    )
    if count >= CONNECTORS_MAX:
        raise LimitExceeded(f"This channel has {CONNECTORS_MAX} connectors already.", "input", "channel")
    row = await session.fetchrow(
        _CREATE, new_id(), terms.code, channel_id, terms.kind, terms.url, terms.token, terms.every_s
    )
    if row is None:
        raise InvalidState("This code is taken, or was another channel's or kind's.", "input", "code")
    await session.run("DELETE FROM connector_value WHERE connector_id = $1", row["id"])
    return row


_CREATE = f"""
    INSERT INTO connector AS c (id, code, channel_id, kind, url, token, every_s, position)
    SELECT $1, $2, $3, $4, $5, $6, $7, position FROM feed
    ON CONFLICT (code) DO UPDATE SET url = excluded.url, token = excluded.token, every_s = excluded.every_s,
        status = 'ACTIVE', failures = 0, problem = NULL, asked = true, next_at = now(), position = excluded.position,
        compared_at = NULL, deleted_at = NULL, {FREE.replace("= fence", "= c.fence")}
    WHERE c.deleted_at IS NOT NULL AND (c.channel_id, c.kind) = (excluded.channel_id, excluded.kind)
    RETURNING *
"""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be changed; None stays as it is."""

    url: str | None = None
    token: str | None = None
    every_s: int | None = None
    paused: bool | None = None


async def update(session: Session, connector_id: UUID, *, actor: Actor, change: Change) -> Row:
    """Change how a connector reaches its channel, or whether it runs. Errors: `Invalid`, `NotFound`."""
    _check_rest(change.url, change.token)
    if change.every_s is not None:
        _check_every(change.every_s)
    row = await _required(session, connector_id, actor)
    if row["kind"] == ConnectorKind.FILE and (change.url is not None or change.token is not None):
        raise Invalid("A FILE connector has a folder of its own, and neither url nor token.", "input")
    if change.url not in (None, row["url"]):
        # Whoever is there now has been told nothing.
        await session.run("DELETE FROM connector_value WHERE connector_id = $1", connector_id)
        await _change(session, connector_id, actor, "asked = true")
    return await _change(session, connector_id, actor, _UPDATE, change.url, change.token, change.every_s, change.paused)


_UPDATE = f"""
    url = coalesce($3, url), token = coalesce($4, token), every_s = coalesce($5, every_s),
    status = CASE WHEN $6::boolean THEN 'PAUSED' WHEN $6 IS NULL THEN status ELSE 'ACTIVE' END,
    failures = CASE WHEN $6 IS FALSE THEN 0 ELSE failures END, next_at = now(), {FREE}
"""


async def delete(session: Session, connector_id: UUID, *, actor: Actor) -> Row:
    """Nothing is sent and fetched any more; the token is forgotten. Errors: `NotFound`."""
    return await _change(session, connector_id, actor, f"deleted_at = now(), token = NULL, {FREE}")


async def ask(session: Session, connector_id: UUID, *, actor: Actor) -> Row:
    """Run soon, compare everything, and try again what was refused. Errors: `NotFound`, `InvalidState`."""
    row = await _change(session, connector_id, actor, "asked = true, next_at = now()")
    if row["status"] == "PAUSED":
        raise InvalidState("This connector is paused: resume it first.", "id")
    await session.run(
        "UPDATE connector_value SET next_at = NULL WHERE connector_id = $1 AND since IS NOT NULL", connector_id
    )
    await session.run(
        "UPDATE connector_order SET next_at = now() WHERE connector_id = $1 AND status IN ('NEW', 'WAITING')",
        connector_id,
    )
    return row


async def _change(session: Session, connector_id: UUID, actor: Actor, what: str, *args: object) -> Row:
    """Errors: `NotFound` for what is not the caller's."""
    row = await session.fetchrow(
        f"UPDATE connector SET {what} WHERE id = $1 AND deleted_at IS NULL AND {_OWN.format(2)} RETURNING *",
        connector_id,
        actor.restricted_to_channel,
        *args,
    )
    if row is None:
        raise NotFound("There is no such connector.", "id")
    return row


async def _required(session: Session, connector_id: UUID, actor: Actor) -> Row:
    row = await visible(session, connector_id, actor=actor)
    if row is None:
        raise NotFound("There is no such connector.", "id")
    return row


async def visible(session: Session, connector_id: UUID, *, actor: Actor) -> Row | None:
    """A connector of the caller's; a deleted one is none."""
    return await session.fetchrow(
        f"SELECT * FROM connector WHERE id = $1 AND deleted_at IS NULL AND {_OWN.format(2)}",
        connector_id,
        actor.restricted_to_channel,
    )


async def all_of(session: Session, *, actor: Actor) -> list[Row]:
    """The caller's connectors, by code."""
    return await session.fetch(
        f"SELECT * FROM connector WHERE deleted_at IS NULL AND {_OWN.format(1)} ORDER BY code",
        actor.restricted_to_channel,
    )


async def lag_by_id(session: Session, ids: Sequence[UUID]) -> dict[UUID, Row]:
    """By connector: how many values may differ, how many were refused, and since how many seconds the oldest does."""
    rows = await session.fetch(_LAG, ids)
    return {row["id"]: row for row in rows}


_LAG = """
    SELECT c.id, count(v.since) AS open, count(v.since) FILTER (WHERE v.refusals > 0) AS refused,
        greatest(0, coalesce(extract(epoch FROM now() - min(v.since)), 0))::bigint AS lag_s
    FROM connector c LEFT JOIN connector_value v ON v.connector_id = c.id AND v.since IS NOT NULL
    WHERE c.id = ANY($1) GROUP BY c.id
"""


async def differences(
    session: Session, connector_id: UUID, *, actor: Actor, after: int, first: int
) -> tuple[list[Difference], int | None, str]:
    """What the channel was told against the book of now, by variant; where to read on, None at the end; and the
    currency of its prices.

    All differences of a variant stand on one page. Errors: `NotFound`.
    """
    row = await _required(session, connector_id, actor)
    channel = (await channels.by_id(session, [row["channel_id"]]))[row["channel_id"]]
    first = max(first, 1)
    found: list[Difference] = []
    end: int | None = after
    for _ in range(PIECES_MAX):
        assert end is not None
        some, end = await sent_values.compare(session, connector_id, channel, after=end)
        found += some
        if end is None or len(found) >= first:
            break
    if len(found) <= first:
        return found, end, channel["currency"]
    last = found[first - 1].variant_id
    return [one for one in found if one.variant_id <= last], last, channel["currency"]
