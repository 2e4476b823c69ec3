"""Whether events are what is written down of them: by the exported JSON Schema, and by the structs it is made from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from jsonschema import Draft202012Validator

from uriba.core import ids
from uriba.db import Database, Row
from uriba.events import presentation
from uriba.events.payloads import PAYLOADS
from uriba.events.schemas import ENVELOPES

if TYPE_CHECKING:
    from conftest import RunningHub

WEBHOOKS = Path(__file__).parents[2] / "schema" / "webhooks.json"


@cache
def exported() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(WEBHOOKS.read_text(encoding="utf-8"))
    return found


@cache
def _validator(type: str) -> Draft202012Validator:
    """Of one type of event; among all of them it would be slow, and say little of what is wrong."""
    return Draft202012Validator({"$ref": exported()["discriminator"]["mapping"][type], "$defs": exported()["$defs"]})


def problems(event: dict[str, Any]) -> list[str]:
    """What is wrong with an event as it is sent."""
    if event["type"] not in PAYLOADS:
        return [f"{event['type']} is no type"]
    found = [f"{list(error.path)}: {error.message}" for error in _validator(event["type"]).iter_errors(event)]
    if ids.kind_of(event["subject"]) != PAYLOADS[event["type"]].subject:
        found.append(f"{event['type']} is about {event['subject']}")
    try:
        msgspec.convert(event, ENVELOPES[event["type"]], strict=True)
    except msgspec.ValidationError as error:
        found.append(str(error))
    return found


async def newest(database: Database) -> int:
    async with database.reading() as session:
        return int(await session.fetchval("SELECT coalesce(max(id), 0) FROM outbox_event"))


async def rows_after(database: Database, event_id: int = 0) -> list[Row]:
    """What was told since then, but for what tests make up."""
    async with database.reading() as session:
        return await session.fetch(
            "SELECT id, position, type, subject, version, at, data FROM outbox_event WHERE id > $1 AND type NOT LIKE 'test.%' ORDER BY id",
            event_id,
        )


async def every_event_validates(hub: RunningHub, after: int = 0) -> None:
    """All that the hub tells since an event (`newest`) is as it is written down."""
    for row in await rows_after(hub.database, after):
        event = presentation.event_of(row)
        assert not (wrong := problems(event)), (wrong, event, row["data"])


def words(value: Any) -> Iterator[str]:
    """All texts within a value, and what global ids hold."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from words(one)
    elif isinstance(value, list):
        for one in value:
            yield from words(one)
    elif isinstance(value, str):
        yield value
        kind = ids.kind_of(value)
        yield (ids.local_id(value, kind) or "") if kind else ""
