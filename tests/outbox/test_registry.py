"""The registry: an event that is declared once is known everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Meta

import uriba
from uriba.core.errors import DomainError
from uriba.core.ids import global_id
from uriba.events import reference_page, schemas
from uriba.orders.events import OrderEvent
from uriba.outbox import Event, payloads, registry
from uriba.outbox.event import registered
from uriba.outbox.payloads import Data

SOURCES = Path(uriba.__file__).parent
TYPE_IN_SQL = re.compile(r"\btype (?:=|<>|LIKE|IN \() ?'([a-z]+\.[a-z_]+)'|'([a-z]+\.[a-z_]+)' AS type\b")
SQL_WRITER = "inventory/ledger_sql.py"
NAMED_BY_SQL_WRITER = re.compile(r"'((?:stock|shortage)\.[a-z_]+)'")

AT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _same_events_after_a_test() -> Iterator[None]:
    registry.load_events()
    before = dict(registered)
    yield
    registered.clear()
    registered.update(before)


def row(type: str, data: dict[str, Any], subject: str = "Order:7") -> dict[str, Any]:
    return {"id": 5, "type": type, "subject": subject, "version": 2, "at": AT, "data": data}


def test_an_event_is_declared_in_one_place_and_known_everywhere() -> None:
    class OrderGiftWrapped(OrderEvent):
        """An order was wrapped as a gift."""

        type = "order.gift_wrapped"

        class Payload(payloads.Payload):
            ribbon_color: Annotated[str, Meta(description="The ribbon's color.")]

        @staticmethod
        def payload(data: Data, key: str) -> OrderGiftWrapped.Payload:
            return OrderGiftWrapped.Payload(ribbon_color=data["ribbon"])

        @staticmethod
        def message(data: Data) -> str:
            return f"The order was wrapped with a {data['ribbon']} ribbon."

    registry.check_types(["order.gift_wrapped"])
    assert registry.present(row("order.gift_wrapped", {"ribbon": "red", "note": "internal"})) == {
        "id": global_id("Event", 5),
        "type": "order.gift_wrapped",
        "subject": global_id("Order", 7),
        "version": 2,
        "at": AT.isoformat(),
        "data": {"ribbonColor": "red"},
    }
    assert registry.message("order.gift_wrapped", {"ribbon": "red"}) == "The order was wrapped with a red ribbon."
    definitions = schemas.webhooks()["$defs"]
    assert definitions["OrderGiftWrapped"]["required"] == ["ribbonColor"]
    assert definitions["OrderGiftWrappedEvent"]["description"] == "An order was wrapped as a gift."
    assert "order.gift_wrapped" in schemas.asyncapi("1")["components"]["messages"]
    assert "| `ribbonColor` | text | The ribbon's color. |" in reference_page.page()


def test_two_events_cannot_have_the_same_type() -> None:
    with pytest.raises(TypeError, match=r"OrderPlaced both have the type 'order\.placed'"):

        class OrderPlacedAgain(OrderEvent):
            """Another order.placed."""

            type = "order.placed"


def test_a_public_event_needs_a_description() -> None:
    with pytest.raises(TypeError, match="needs a docstring"):

        class Undescribed(OrderEvent):
            type = "order.undescribed"

            class Payload(payloads.Payload):
                """No data."""


def test_every_event_of_the_domains_is_public_and_has_a_subject() -> None:
    events = [event for event in registered.values() if event.__module__.startswith("uriba.")]

    assert len(events) > 20
    assert registry.events() == sorted(events, key=lambda event: event.type)
    assert all(event.subject_kind for event in events)


def test_every_event_class_is_declared_in_the_events_module_of_a_package() -> None:
    pending, modules = [Event], set()
    for path in SOURCES.rglob("*.py"):
        if path.parts[-2] not in ("migrations", "uriba") and "(Event)" in path.read_text():
            import_module(".".join(("uriba", *path.relative_to(SOURCES).with_suffix("").parts)))
    while pending:
        for event in pending.pop().__subclasses__():
            pending.append(event)
            if event.__module__.startswith("uriba."):
                modules.add(event.__module__)

    assert [module for module in sorted(modules) if not re.fullmatch(r"uriba\.\w+\.events", module)] == []


def test_events_are_inserted_by_the_outbox_only_and_in_sql_by_the_ledger() -> None:
    assert _files_with("INSERT INTO outbox_event") == ["outbox/event.py"]
    assert _files_with("INSERT_EVENTS") == [SQL_WRITER, "outbox/event.py"]


def _files_with(text: str) -> list[str]:
    return sorted(path.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*.py") if text in path.read_text())


def test_every_type_that_sql_names_is_registered() -> None:
    named = set(NAMED_BY_SQL_WRITER.findall((SOURCES / SQL_WRITER).read_text()))
    assert len(named) == 3

    for path in SOURCES.rglob("*.py"):
        named.update(one or other for one, other in TYPE_IN_SQL.findall(path.read_text()))

    assert named <= registry.types()


def test_refuses_types_that_do_not_exist() -> None:
    with pytest.raises(DomainError) as refused:
        registry.check_types(["order.placed", "order.eaten"], "types")

    assert [problem.path for problem in refused.value.problems] == [("types", "1")]


def test_an_event_of_an_unknown_type_or_without_its_data_is_presented_with_empty_data() -> None:
    assert registry.present(row("order.eaten", {"by": "whom"}))["data"] == {}
    assert registry.present(row("order.placed", {"status": "OPEN"}))["data"] == {}
    assert registry.message("order.eaten", {}) == "order.eaten"
    assert registry.message("order.placed", {}) == "order.placed"


def test_an_internal_event_is_presented_with_empty_data_and_has_no_type_to_ask_for() -> None:
    class Internal(OrderEvent):
        type = "order.internal"

    assert registry.present(row("order.internal", {"secret": 1}))["data"] == {}
    assert "order.internal" not in registry.types()


def test_a_time_is_written_as_isoformat_writes_it_in_utc() -> None:
    for at in (AT, AT.replace(microsecond=0), AT.replace(microsecond=120000)):
        presented = registry.present({**row("endpoint.test", {}, "Endpoint:7"), "at": at})
        assert presented["at"] == at.isoformat()


def test_stock_changed_alone_is_coalesced() -> None:
    assert registry.coalesced_types() == {"stock.changed"}
