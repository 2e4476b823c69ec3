"""docs/events-reference.md: a Markdown page with a table for each type of event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import fill

from uriba.events.schemas import DESCRIPTION, SIGNATURE, Coalesced, Schema, description, envelope_name, webhooks
from uriba.outbox import registry
from uriba.outbox.payloads import GLOBAL_ID


def page() -> str:
    """Return the page: every type of event with its keys."""
    return "\n".join(_lines(webhooks()["$defs"])) + "\n"


def _lines(defs: Mapping[str, Schema]) -> Iterator[str]:
    events = registry.events()
    yield from (
        "# Events",
        "",
        "`uriba schema` writes this page; `schema/webhooks.json` has the same for programs.",
        "",
    )
    yield from (_wrapped(DESCRIPTION), "", "## The envelope", "", *_ENVELOPE, "", _wrapped(SIGNATURE), "")
    yield from ("## Types", "", "| type | subject | data |", "| --- | --- | --- |")
    for event in events:
        anchor = event.type.replace(".", "")
        yield f"| [`{event.type}`](#{anchor}) | {event.subject_kind} | {_keys(defs[event.__name__])} |"
    for event in events:
        yield from ("", f"## {event.type}", "", _wrapped(description(event)), "")
        yield from _table(defs[event.__name__], defs)
    for part in _parts(defs):
        yield from ("", f"## {part}", "", _wrapped(defs[part]["description"]), "", *_table(defs[part], defs))


def _wrapped(text: str) -> str:
    return fill(text, width=120, break_on_hyphens=False)


_ENVELOPE = (
    "| key | type | meaning |",
    "| --- | --- | --- |",
    "| `id` | global id | The `webhook-id` of its deliveries; each delivery has the same |",
    "| `type` | text | One of the types below |",
    "| `subject` | global id | What the event is about, of the kind that the type names |",
    "| `version` | whole number | Numbers the subject's events 1, 2, 3 … |",
    "| `at` | moment | When the event was written, UTC, ISO 8601 |",
    "| `data` | object | Depends on the type |",
    "| `coalesced` | object | Only in `stock.changed` events for an endpoint that lagged: the `firstVersion` and "
    "`lastVersion` of the subject's events that this one stands for |",
)


def _keys(schema: Schema) -> str:
    return ", ".join(f"`{key}`" for key in schema["properties"])


def _parts(defs: Mapping[str, Schema]) -> list[str]:
    """Return the names of the types that data consists of."""
    events = registry.events()
    known = {event.__name__ for event in events} | {envelope_name(event) for event in events} | {Coalesced.__name__}
    return sorted(set(defs) - known)


def _table(schema: Schema, defs: Mapping[str, Schema]) -> Iterator[str]:
    if "enum" in schema:
        yield ", ".join(f"`{value}`" for value in schema["enum"])
    elif not schema["properties"]:
        yield "No data."
    else:
        yield from ("| key | type | meaning |", "| --- | --- | --- |")
        for key, value in schema["properties"].items():
            yield f"| `{key}` | {_type(value)} | {meaning(value, defs)} |"


_TYPES = {"integer": "whole number", "number": "number", "boolean": "yes or no", "string": "text", "null": "null"}


def _type(schema: Schema) -> str:
    """Return the type of a value in a few words."""
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}"
    if schema.get("pattern") == GLOBAL_ID:
        return "global id"
    return "moment" if schema.get("format") == "date-time" else _TYPES[schema["type"]]


def meaning(schema: Schema, defs: Mapping[str, Schema]) -> str:
    """Return the description of a key, or that of its type."""
    options = (schema, *schema.get("anyOf", ()))
    referenced = [defs[option["$ref"].rpartition("/")[2]] for option in options if "$ref" in option]
    return next((str(option["description"]) for option in (*options, *referenced) if "description" in option), "")
