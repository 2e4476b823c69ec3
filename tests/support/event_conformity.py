"""Checks that events are as they are described: by the exported JSON Schema, and by the structs it is made from."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from jsonschema import Draft202012Validator

from uriba.core import ids
from uriba.db import Database
from uriba.db.statements import statement
from uriba.events import schemas
from uriba.outbox import registry

WEBHOOKS = Path(__file__).parents[2] / "schema" / "webhooks.json"

VALIDATED_BY_JSON_SCHEMA = 100
"""Events of each type that a process validates by the JSON Schema, which takes a millisecond for each."""


@cache
def exported_schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(WEBHOOKS.read_text(encoding="utf-8"))
    return found


@cache
def _validator(type: str) -> Draft202012Validator:
    """Return the validator of one type. The one of all types is slow, and its errors say little."""
    schema = exported_schema()
    return Draft202012Validator({"$ref": schema["discriminator"]["mapping"][type], "$defs": schema["$defs"]})


@cache
def _structs() -> dict[str, tuple[str, type[msgspec.Struct]]]:
    """Return the subject's kind and the struct of each type."""
    return {event.type: (event.subject_kind, schemas.envelope(event)) for event in registry.events()}


def problems(event: dict[str, Any], *, by_json_schema: bool = True) -> list[str]:
    """Return what is wrong with an event as it is sent."""
    if event["type"] not in _structs():
        return [f"{event['type']} is no type"]
    subject_kind, struct = _structs()[event["type"]]
    found = []
    if ids.kind_of(event["subject"]) != subject_kind:
        found.append(f"{event['type']} is about {event['subject']}")
    try:
        msgspec.convert(event, struct, strict=True)
    except msgspec.ValidationError as error:
        found.append(str(error))
    if by_json_schema:
        found += [f"{list(e.path)}: {e.message}" for e in _validator(event["type"]).iter_errors(event)]
    return found


class ConformityCheck:
    """Checks every event of a database once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._checked_id = 0
        self._count: Counter[str] = Counter()

    async def check_new_events(self) -> list[object]:
        """Return what is wrong with the events that were written since the last call."""
        async with self._database.reading() as session:
            rows = await session.fetch(_NEW_EVENTS, after_id=self._checked_id)
        found: list[object] = []
        for row in rows:
            self._checked_id = row["id"]
            self._count[row["type"]] += 1
            event = registry.present(row)
            by_json_schema = self._count[row["type"]] <= VALIDATED_BY_JSON_SCHEMA
            if wrong := problems(event, by_json_schema=by_json_schema):
                found.append((wrong, event, row["data"]))
        return found


_NEW_EVENTS = statement("""
    SELECT id, type, subject, version, at, data FROM outbox_event
    WHERE id > :after_id AND type NOT LIKE 'test.%' ORDER BY id
""")
