"""What is written down for those who listen: valid, current, and complete."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner
from validity import exported, problems

import uriba
from uriba.cli import cli
from uriba.core.ids import global_id
from uriba.events import presentation, reference_page, schemas, types
from uriba.events.payloads import PAYLOADS
from uriba.outbox import Event
from uriba.outbox.event import SUBJECT_KINDS

ROOT = Path(__file__).parents[2]
SOURCES = Path(uriba.__file__).parent
PAGE = "docs/events-reference.md"
WRITTEN_IN_SQL = "inventory/ledger_sql.py"
NAMED = re.compile(r"'((?:stock|shortage)\.[a-z_]+)'")

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


def event_types() -> Iterator[tuple[str, str]]:
    """Every type that the code names as an event, with the module that does."""
    for module in pkgutil.walk_packages([str(SOURCES)], "uriba."):
        if module.name.rpartition(".")[2] == "events":
            importlib.import_module(module.name)
    pending = [Event]
    while pending:
        for kind in pending.pop().__subclasses__():
            pending.append(kind)
            if kind.__module__.startswith("uriba."):
                yield kind.type, kind.__module__
    yield from ((name, WRITTEN_IN_SQL) for name in NAMED.findall((SOURCES / WRITTEN_IN_SQL).read_text()))


def test_every_event_of_the_code_is_written_down() -> None:
    found = dict(event_types())

    assert len(found) > 20
    assert {name: where for name, where in found.items() if name not in PAYLOADS} == {}, "describe it in schemas.py"
    assert set(PAYLOADS) - set(found) == set(), "nobody tells of this any more"


def test_every_type_is_shown_and_can_be_asked_for() -> None:
    assert set(presentation._DATA) == set(PAYLOADS)
    assert set(PAYLOADS) == types.TYPES
    assert {payload.subject for payload in PAYLOADS.values()} <= set(SUBJECT_KINDS)


def test_events_are_written_where_they_are_looked_for() -> None:
    writers = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        if "INSERT INTO outbox_event" in path.read_text()
    }

    assert writers == {"outbox/event.py", WRITTEN_IN_SQL}


def test_what_is_exported_is_what_the_code_says(tmp_path: Path) -> None:
    answer = CliRunner().invoke(cli, ["schema", "--folder", str(tmp_path / "schema")])

    assert answer.exit_code == 0, answer.output
    for path in ("schema/webhooks.json", "schema/asyncapi.json", PAGE):
        written = (tmp_path / path).read_text(encoding="utf-8")
        assert written == (ROOT / path).read_text(encoding="utf-8"), f"{path}: run `uriba schema`"


def test_the_schema_is_json_schema_and_says_what_each_type_is() -> None:
    Draft202012Validator.check_schema(exported())

    for name, payload in PAYLOADS.items():
        told = exported()["$defs"][f"{payload.__name__}Event"]
        assert told["properties"]["type"] == {"enum": [name]}
        assert told["properties"]["data"] == {"$ref": f"#/$defs/{payload.__name__}"}
        assert len(told["description"]) > 20
        assert told["description"] == exported()["$defs"][payload.__name__]["description"]
        assert "coalesced" not in told["properties"] or name == "stock.changed"


def test_every_key_is_explained() -> None:
    defs = exported()["$defs"]
    silent = [
        f"{payload.__name__}.{key}"
        for payload in PAYLOADS.values()
        for key, value in defs[payload.__name__]["properties"].items()
        if not reference_page._meaning(value, defs)
    ]

    assert silent == []


def test_the_whole_schema_takes_an_event_by_its_type_alone() -> None:
    whole = Draft202012Validator(exported())
    event = presentation.event_of(STOCK)

    assert whole.is_valid(event)
    assert not whole.is_valid({**event, "type": "order.placed"})
    assert not whole.is_valid({**event, "type": "stock.counted"})


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
        {"data": {**presentation.event_of(STOCK)["data"], "variant": "0198f5b0-0000-7000-8000-000000000000"}},
        {"data": {**presentation.event_of(STOCK)["data"], "note": "for Hana"}},
        {"coalesced": {"firstVersion": 0, "lastVersion": 12}},
    ],
    ids=str,
)
def test_what_is_not_written_down_is_no_event(changed: dict[str, Any]) -> None:
    event = presentation.event_of(STOCK)

    assert problems(event) == []
    assert problems({**event, **changed}) != []


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from _refs(one)
    elif isinstance(value, list):
        for one in value:
            yield from _refs(one)


def _at(document: Any, pointer: str) -> Any:
    for step in pointer.strip("/").split("/"):
        document = document[step]
    return document


def test_asyncapi_has_a_message_for_each_type_and_leads_nowhere_else() -> None:
    told = json.loads((ROOT / "schema/asyncapi.json").read_text(encoding="utf-8"))
    files = {"": told, "./webhooks.json": exported()}

    assert list(told["channels"]["webhook"]["messages"]) == list(PAYLOADS)
    assert list(told["components"]["messages"]) == list(PAYLOADS)
    for ref in _refs(told):
        file, _, pointer = ref.partition("#")
        assert _at(files[file], pointer), ref
    for name, message in told["components"]["messages"].items():
        assert message["payload"]["$ref"] == f"./webhooks.json{exported()['discriminator']['mapping'][name]}"
        headers = _at(told, message["headers"]["$ref"].removeprefix("#"))
        assert headers["required"] == ["webhook-id", "webhook-timestamp", "webhook-signature"]


def test_the_page_has_a_table_for_each_type() -> None:
    page = reference_page.page()
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL))

    for name, payload in PAYLOADS.items():
        keys = exported()["$defs"][payload.__name__]["properties"]
        assert re.findall(r"^\| `(\w+)` \|", sections[name], flags=re.MULTILINE) == list(keys)
    anchors = {re.sub(r"[^\w]", "", heading).lower() for heading in sections}
    assert set(re.findall(r"\(#(\w+)\)", page)) <= anchors


def test_signatures_match_the_header_that_is_described() -> None:
    pattern = schemas._HEADERS["properties"]["webhook-signature"]["pattern"]

    assert re.fullmatch(pattern, "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=")
    assert re.fullmatch(pattern, "v1,AAAA v1,BBBB==")
    assert not re.fullmatch(pattern, "whsec_AAAA")
