"""The published descriptions of events: valid, complete, and the same as the code that they are made from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from tests.support.event_conformity import exported_schema, problems
from uriba.cli import cli
from uriba.core.ids import global_id
from uriba.events import reference_page, schemas
from uriba.outbox import registry

ROOT = Path(__file__).parents[2]
PAGE = "docs/events-reference.md"
TYPES = [event.type for event in registry.events()]

STOCK: dict[str, Any] = {
    "id": 7,
    "type": "stock.changed",
    "subject": "StockLevel:3:4",
    "version": 12,
    "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "data": {
        "onHand": 9,
        "committed": 1,
        "reserved": 2,
        "unavailable": 3,
        "incoming": 0,
        "safetyStock": 1,
        "shortage": 0,
    },
}


def test_the_exported_files_are_current(tmp_path: Path) -> None:
    answer = CliRunner().invoke(cli, ["schema", "--folder", str(tmp_path / "schema")])

    assert answer.exit_code == 0, answer.output
    for path in ("schema/webhooks.json", "schema/asyncapi.json", PAGE):
        written = (tmp_path / path).read_text(encoding="utf-8")
        assert written == (ROOT / path).read_text(encoding="utf-8"), f"{path}: run `uriba schema`"


def test_the_schema_is_valid_and_describes_each_type() -> None:
    Draft202012Validator.check_schema(exported_schema())

    for event in registry.events():
        schema = exported_schema()["$defs"][f"{event.__name__}Event"]
        assert schema["properties"]["type"] == {"enum": [event.type]}
        assert schema["properties"]["data"] == {"$ref": f"#/$defs/{event.__name__}"}
        assert len(schema["description"]) > 20
        assert schema["description"] == exported_schema()["$defs"][event.__name__]["description"]
        assert "coalesced" not in schema["properties"] or event.coalesced


def test_every_key_has_a_description() -> None:
    defs = exported_schema()["$defs"]
    undescribed = [
        f"{event.__name__}.{key}"
        for event in registry.events()
        for key, value in defs[event.__name__]["properties"].items()
        if not reference_page.meaning(value, defs)
    ]

    assert undescribed == []


def test_the_schema_of_all_types_tells_events_apart_by_type() -> None:
    validator = Draft202012Validator(exported_schema())
    event = registry.present(STOCK)

    assert validator.is_valid(event)
    assert not validator.is_valid({**event, "type": "order.placed"})
    assert not validator.is_valid({**event, "type": "stock.counted"})


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "Hana"},
        {"data": {}},
        {"version": 0},
        {"id": "0198f5b0-0000-7000-8000-000000000000"},
        {"subject": "StockLevel:3:4"},
        {"subject": global_id("Order", 3)},
        {"at": "yesterday"},
        {"data": {**registry.present(STOCK)["data"], "variant": "0198f5b0-0000-7000-8000-000000000000"}},
        {"data": {**registry.present(STOCK)["data"], "note": "for Hana"}},
        {"coalesced": {"firstVersion": 0, "lastVersion": 12}},
    ],
    ids=str,
)
def test_an_event_that_is_not_as_described_is_invalid(changed: dict[str, Any]) -> None:
    event = registry.present(STOCK)

    assert problems(event) == []
    assert problems({**event, **changed}) != []


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from _refs(item)
    elif isinstance(value, list):
        for item in value:
            yield from _refs(item)


def _at(document: Any, pointer: str) -> Any:
    for step in pointer.strip("/").split("/"):
        document = document[step]
    return document


def test_asyncapi_has_a_message_for_each_type_and_no_dangling_reference() -> None:
    document = json.loads((ROOT / "schema/asyncapi.json").read_text(encoding="utf-8"))
    files = {"": document, "./webhooks.json": exported_schema()}

    assert list(document["channels"]["webhook"]["messages"]) == TYPES
    assert list(document["components"]["messages"]) == TYPES
    for ref in _refs(document):
        file, _, pointer = ref.partition("#")
        assert _at(files[file], pointer), ref
    for name, message in document["components"]["messages"].items():
        assert message["payload"]["$ref"] == f"./webhooks.json{exported_schema()['discriminator']['mapping'][name]}"
        headers = _at(document, message["headers"]["$ref"].removeprefix("#"))
        assert headers["required"] == ["webhook-id", "webhook-timestamp", "webhook-signature"]


def test_the_reference_page_has_a_table_for_each_type() -> None:
    page = reference_page.page()
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL))

    for event in registry.events():
        keys = exported_schema()["$defs"][event.__name__]["properties"]
        assert re.findall(r"^\| `(\w+)` \|", sections[event.type], flags=re.MULTILINE) == list(keys)
    anchors = {re.sub(r"[^\w]", "", heading).lower() for heading in sections}
    assert set(re.findall(r"\(#(\w+)\)", page)) <= anchors


def test_signatures_match_the_pattern_of_their_header() -> None:
    pattern = schemas.HEADERS["properties"]["webhook-signature"]["pattern"]

    assert re.fullmatch(pattern, "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=")
    assert re.fullmatch(pattern, "v1,AAAA v1,BBBB==")
    assert not re.fullmatch(pattern, "whsec_AAAA")
