"""What channels are told, as a page to read: a table for each type of event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import fill

from uriba.events.payloads import GLOBAL_ID, PAYLOADS
from uriba.events.schemas import ENVELOPES, SIGNED, TELLING, Schema, sentences, webhooks


def page() -> str:
    """All types with their keys, in Markdown."""
    schema = webhooks()
    return "\n".join(_lines(schema["$defs"])) + "\n"


def _lines(defs: Mapping[str, Schema]) -> Iterator[str]:
    yield from (
        "# Events",
        "",
        "`uriba schema` writes this page; `schema/webhooks.json` says the same to programs.",
        "",
    )
    yield from (_wrapped(TELLING), "", "## The envelope", "", *_ENVELOPE, "", _wrapped(SIGNED), "", "## Types", "")
    yield from ("| type | subject | data |", "| --- | --- | --- |")
    for name, payload in PAYLOADS.items():
        yield f"| [`{name}`](#{name.replace('.', '')}) | {payload.subject} | {_keys(defs[payload.__name__])} |"
    for name, payload in PAYLOADS.items():
        yield from ("", f"## {name}", "", _wrapped(sentences(payload)), "")
        yield from _table(defs[payload.__name__], defs)
    for part in _parts(defs):
        yield from ("", f"## {part}", "", _wrapped(defs[part]["description"]), "", *_table(defs[part], defs))


def _wrapped(text: str) -> str:
    return fill(text, width=120)


_ENVELOPE = (
    "| key | type | meaning |",
    "| --- | --- | --- |",
    "| `id` | global id | The `webhook-id` of its deliveries: the same however often it comes |",
    "| `type` | text | One of those below |",
    "| `subject` | global id | What it is about, of the kind that the type names |",
    "| `version` | whole number | 1, 2, 3 … of the subject's events |",
    "| `at` | moment | When it was written, UTC, ISO 8601 |",
    "| `data` | object | As the type says |",
    "| `coalesced` | object | Of `stock.changed` only, to an endpoint that lagged: `firstVersion` and `lastVersion` of "
    "the subject's events that this one stands for |",
)


def _keys(schema: Schema) -> str:
    return ", ".join(f"`{key}`" for key in schema["properties"])


def _parts(defs: Mapping[str, Schema]) -> list[str]:
    """What the data of types is made of."""
    known = {payload.__name__ for payload in PAYLOADS.values()} | {kind.__name__ for kind in ENVELOPES.values()}
    return sorted(set(defs) - known - {"Coalesced"})


def _table(schema: Schema, defs: Mapping[str, Schema]) -> Iterator[str]:
    if "enum" in schema:
        yield ", ".join(f"`{value}`" for value in schema["enum"])
    elif not schema["properties"]:
        yield "No data: the subject says it all."
    else:
        yield from ("| key | type | meaning |", "| --- | --- | --- |")
        for key, value in schema["properties"].items():
            yield f"| `{key}` | {_kind(value)} | {_meaning(value, defs)} |"


_KINDS = {"integer": "whole number", "number": "number", "boolean": "yes or no", "string": "text", "null": "null"}


def _kind(schema: Schema) -> str:
    """What a value is, in a word."""
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if schema["type"] == "array":
        return f"list of {_kind(schema['items'])}"
    if schema.get("pattern") == GLOBAL_ID:
        return "global id"
    return "moment" if schema.get("format") == "date-time" else _KINDS[schema["type"]]


def _meaning(schema: Schema, defs: Mapping[str, Schema]) -> str:
    """The key's own words, else those of what it holds."""
    kinds = (schema, *schema.get("anyOf", ()))
    named = [defs[kind["$ref"].rpartition("/")[2]] for kind in kinds if "$ref" in kind]
    return next((str(kind["description"]) for kind in (*kinds, *named) if "description" in kind), "")
