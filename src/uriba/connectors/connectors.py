"""Connectors: created, changed, asked to run and deleted by staff or the channel's app.

Changes end the lease of the worker that runs the connector, so nothing is sent with outdated settings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from uriba.catalog import channels
from uriba.connectors import order_inbox, sent_values
from uriba.connectors.connector_records import CONNECTOR_COLUMNS, ConnectorRecord
from uriba.connectors.enums import ConnectorKind, ConnectorStatus
from uriba.connectors.sent_values import Difference
from uriba.core.actor import Actor
from uriba.core.errors import Invalid, InvalidState, LimitExceeded, NotFound
from uriba.core.ids import new_id
from uriba.db import Session
from uriba.db.statements import Statement, fragment, statement

CONNECTORS_MAX = 10
"""Connectors of one channel."""

EVERY_S_MIN, EVERY_S_MAX = 5, 86_400
TOKEN_SIZE_MAX = 4_096
COMPARISONS_MAX = 20
"""Comparisons of `sent_values.COMPARED_MAX` variants that one page of differences makes at most."""

_CODE = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", re.ASCII)
_VISIBLE = fragment("deleted_at IS NULL AND (:only_channel_id::bigint IS NULL OR channel_id = :only_channel_id)")
_END_LEASE = fragment("fence = {table}.fence + 1, lease_until = NULL")


@dataclass(frozen=True, slots=True)
class NewConnector:
    """A connector to create. `url`, which has been checked, and `token` are for REST."""

    code: str
    kind: ConnectorKind
    url: str | None
    token: str | None
    every_s: int


def check_new(new: NewConnector) -> None:
    """Errors: `Invalid`."""
    if _CODE.fullmatch(new.code) is None:
        raise Invalid("The code names a folder: use up to 40 lowercase letters, digits and hyphens.", "input", "code")
    if new.kind is ConnectorKind.FILE and (new.url is not None or new.token is not None):
        raise Invalid("A FILE connector has a folder. Leave out url and token.", "input", "kind")
    if new.kind is ConnectorKind.REST and new.url is None:
        raise Invalid("A REST connector needs the base URL of its channel.", "input", "url")
    _check_rest(new.url, new.token)
    _check_every(new.every_s)


def _check_rest(url: str | None, token: str | None) -> None:
    if url is not None and "?" in url:
        raise Invalid("Remove the query (?) from the base URL: paths are appended to it.", "input", "url")
    if token is not None and (not 0 < len(token) <= TOKEN_SIZE_MAX or not (token.isascii() and token.isprintable())):
        raise Invalid(f"The token has to have 1 to {TOKEN_SIZE_MAX:,} printable ASCII characters.", "input", "token")


def _check_every(every_s: int) -> None:
    if not EVERY_S_MIN <= every_s <= EVERY_S_MAX:
        raise Invalid(f"everySeconds has to be from {EVERY_S_MIN} to {EVERY_S_MAX:,}.", "input", "everySeconds")


async def create(session: Session, *, channel_id: int, new: NewConnector) -> ConnectorRecord:
    """Create a connector, whose first run sends all values of its channel. A deleted connector with the same code,
    channel and kind is restored, and still knows which orders it imported.

    Errors: `Invalid`, `InvalidState` for a code that exists, `LimitExceeded`.
    """
    check_new(new)
    if await session.fetchval(_COUNT, channel_id=channel_id) >= CONNECTORS_MAX:
        raise LimitExceeded(
            f"This channel has {CONNECTORS_MAX} connectors already. Delete one first.", "input", "channel"
        )
    row = await session.fetchrow(
        _CREATE,
        connector_id=new_id(),
        code=new.code,
        channel_id=channel_id,
        kind=new.kind,
        url=new.url,
        token=new.token,
        every_s=new.every_s,
    )
    if row is None:
        raise InvalidState(
            "A connector has this code, or had it with another channel or kind. Use another code.", "input", "code"
        )
    await session.run(_FORGET_SENT_VALUES, connector_id=row["id"])
    return ConnectorRecord.from_row(row)


_COUNT = statement("SELECT count(*) FROM connector WHERE deleted_at IS NULL AND channel_id = :channel_id")
_CREATE = statement(f"""
    INSERT INTO connector AS c (id, code, channel_id, kind, url, token, every_s, position)
    SELECT :connector_id, :code, :channel_id, :kind, :url, :token, :every_s, position FROM feed
    ON CONFLICT (code) DO UPDATE SET url = excluded.url, token = excluded.token, every_s = excluded.every_s,
        status = 'ACTIVE', failures = 0, problem = NULL, asked = true, next_at = now(), position = excluded.position,
        compared_at = NULL, deleted_at = NULL, {_END_LEASE.format(table="c")}
    WHERE c.deleted_at IS NOT NULL AND (c.channel_id, c.kind) = (excluded.channel_id, excluded.kind)
    RETURNING {CONNECTOR_COLUMNS}
""")
_FORGET_SENT_VALUES = statement("DELETE FROM connector_value WHERE connector_id = :connector_id")


@dataclass(frozen=True, slots=True)
class ConnectorChange:
    """Changes of a connector. None leaves a field as it is."""

    url: str | None = None
    token: str | None = None
    every_s: int | None = None
    paused: bool | None = None


async def update(session: Session, connector_id: UUID, *, actor: Actor, change: ConnectorChange) -> ConnectorRecord:
    """Change a connector's settings, or pause or resume it. Errors: `Invalid`, `NotFound`."""
    _check_rest(change.url, change.token)
    if change.every_s is not None:
        _check_every(change.every_s)
    connector = await _required(session, connector_id, actor)
    if connector.kind is ConnectorKind.FILE and (change.url is not None or change.token is not None):
        raise Invalid("A FILE connector has a folder. Leave out url and token.", "input")
    if change.url not in (None, connector.url):
        # The channel at the new URL has received nothing.
        await session.run(_FORGET_SENT_VALUES, connector_id=connector_id)
        await _update(session, _REQUEST_COMPARISON, connector_id, actor)
    return await _update(
        session,
        _UPDATE,
        connector_id,
        actor,
        url=change.url,
        token=change.token,
        every_s=change.every_s,
        paused=change.paused,
    )


_REQUEST_COMPARISON = statement(f"""
    UPDATE connector SET asked = true WHERE id = :connector_id AND {_VISIBLE} RETURNING {CONNECTOR_COLUMNS}
""")
_UPDATE = statement(f"""
    UPDATE connector SET url = coalesce(:url, url), token = coalesce(:token, token),
        every_s = coalesce(:every_s, every_s), next_at = now(),
        status = CASE WHEN :paused::boolean THEN 'PAUSED' WHEN :paused IS NULL THEN status ELSE 'ACTIVE' END,
        failures = CASE WHEN :paused IS FALSE THEN 0 ELSE failures END, {_END_LEASE.format(table="connector")}
    WHERE id = :connector_id AND {_VISIBLE} RETURNING {CONNECTOR_COLUMNS}
""")


async def delete(session: Session, connector_id: UUID, *, actor: Actor) -> ConnectorRecord:
    """Delete a connector and its token: it never runs again. Errors: `NotFound`."""
    return await _update(session, _DELETE, connector_id, actor)


_DELETE = statement(f"""
    UPDATE connector SET deleted_at = now(), token = NULL, {_END_LEASE.format(table="connector")}
    WHERE id = :connector_id AND {_VISIBLE} RETURNING {CONNECTOR_COLUMNS}
""")


async def request_run(session: Session, connector_id: UUID, *, actor: Actor) -> ConnectorRecord:
    """Request a run soon that compares all values, and tries refused values and waiting orders again.

    Errors: `NotFound`, `InvalidState` for a paused connector.
    """
    connector = await _update(session, _REQUEST_RUN, connector_id, actor)
    if connector.status is ConnectorStatus.PAUSED:
        raise InvalidState("This connector is paused. Resume it first.", "id")
    await session.run(_MAKE_REFUSED_DUE, connector_id=connector_id)
    await order_inbox.make_undecided_due(session, connector_id)
    return connector


_REQUEST_RUN = statement(f"""
    UPDATE connector SET asked = true, next_at = now() WHERE id = :connector_id AND {_VISIBLE}
    RETURNING {CONNECTOR_COLUMNS}
""")
_MAKE_REFUSED_DUE = statement("""
    UPDATE connector_value SET next_at = NULL WHERE connector_id = :connector_id AND since IS NOT NULL
""")


async def _update(
    session: Session, change: Statement, connector_id: UUID, actor: Actor, **params: object
) -> ConnectorRecord:
    """Run an UPDATE of one connector. Errors: `NotFound` if there is none that the actor may see."""
    row = await session.fetchrow(
        change, connector_id=connector_id, only_channel_id=actor.restricted_to_channel, **params
    )
    if row is None:
        raise NotFound("There is no such connector.", "id")
    return ConnectorRecord.from_row(row)


async def _required(session: Session, connector_id: UUID, actor: Actor) -> ConnectorRecord:
    """Return a connector that the actor may see. Errors: `NotFound`."""
    row = await session.fetchrow(_BY_ID, connector_id=connector_id, only_channel_id=actor.restricted_to_channel)
    if row is None:
        raise NotFound("There is no such connector.", "id")
    return ConnectorRecord.from_row(row)


_BY_ID = statement(f"SELECT {CONNECTOR_COLUMNS} FROM connector WHERE id = :connector_id AND {_VISIBLE}")


async def all_visible(session: Session, *, actor: Actor) -> list[ConnectorRecord]:
    """Return the connectors that the actor may see, by code."""
    rows = await session.fetch(_ALL, only_channel_id=actor.restricted_to_channel)
    return [ConnectorRecord.from_row(row) for row in rows]


_ALL = statement(f"SELECT {CONNECTOR_COLUMNS} FROM connector WHERE {_VISIBLE} ORDER BY code")


@dataclass(frozen=True, slots=True)
class ConnectorLag:
    """How far a channel is behind. `open`: values that may differ; `refused`: those of them that were refused;
    `seconds`: the age of the oldest.
    """

    open: int = 0
    refused: int = 0
    seconds: int = 0


async def lag_by_id(session: Session, ids: Sequence[UUID]) -> dict[UUID, ConnectorLag]:
    """Return the lag of connectors."""
    rows = await session.fetch(_LAG, connector_ids=ids)
    return {row["id"]: ConnectorLag(row["open"], row["refused"], row["lag_s"]) for row in rows}


_LAG = statement("""
    SELECT c.id, count(v.since) AS open, count(v.since) FILTER (WHERE v.refusals > 0) AS refused,
        greatest(0, coalesce(extract(epoch FROM now() - min(v.since)), 0))::bigint AS lag_s
    FROM connector c LEFT JOIN connector_value v ON v.connector_id = c.id AND v.since IS NOT NULL
    WHERE c.id = ANY(:connector_ids) GROUP BY c.id
""")


@dataclass(frozen=True, slots=True)
class DifferencePage:
    """Differences, by variant. `end`: the variant to read on after, None if there is nothing to read on after; `more`:
    whether variants after it are left to compare.
    """

    differences: Sequence[Difference]
    end: int | None
    more: bool


async def differences(
    session: Session, connector_id: UUID, *, actor: Actor, after: int, first: int
) -> DifferencePage | None:
    """Return the differences between what the channel was sent and the current values; None for an unknown connector.

    All differences of a variant are on the same page, so a page may have one more than `first`.
    """
    try:
        connector = await _required(session, connector_id, actor)
    except NotFound:
        return None
    channel = (await channels.by_id(session, [connector.channel_id]))[connector.channel_id]
    first = max(first, 1)
    found: list[Difference] = []
    last: int | None = after
    for _ in range(COMPARISONS_MAX):
        assert last is not None
        some, last = await sent_values.compare(session, connector_id, channel, after=last)
        found += some
        if last is None or len(found) >= first:
            break
    if len(found) > first:
        last = found[first - 1].variant_id
        found = [difference for difference in found if difference.variant_id <= last]
    end = last if last is not None else (found[-1].variant_id if found else None)
    return DifferencePage(found, end, more=last is not None)
