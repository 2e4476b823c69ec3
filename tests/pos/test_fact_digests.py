"""Digests of facts: an event that is sent again is recognized, also by a later release, and a changed one is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from tests.support.shop import Shop
from tests.support.tills import Till, conflicts, now, on_hand, open_till, orders, statuses
from uriba.access import keys
from uriba.core import digests
from uriba.core.actor import Actor
from uriba.pos import sync
from uriba.pos.enums import PosEventType
from uriba.pos.facts import FactLine, FactTender, TillFact

SALE = TillFact(
    event_id="0b0e5a52-6a0f-4f0b-9a06-0c3f5e2f1a01",
    sequence=1,
    type=PosEventType.SALE,
    occurred_at=datetime(2026, 11, 22, 22, 36, 4, 640000, tzinfo=UTC),
    lines=(FactLine("CJ-1082185", 2, "0.87"), FactLine("2000010071951", 4, "0.25", "0.10")),
    receipt="7-1",
    original_receipt="6-9",
    tenders=(FactTender("CASH", "2.64"), FactTender("CARD", "0.00", "auth 売り場")),
    loyalty_card="4912345",
    cart_id="Q2FydDox",
    coupons=("SPRING", "TEA10"),
)
COUNT = TillFact(
    event_id="0b0e5a52-6a0f-4f0b-9a06-0c3f5e2f1a02",
    sequence=2,
    type=PosEventType.COUNT,
    occurred_at=datetime(2026, 11, 22, 22, 40, 4, 640000, tzinfo=UTC),
    lines=(FactLine("CJ-1082185", 520),),
)
RETURN = TillFact(
    event_id="0b0e5a52-6a0f-4f0b-9a06-0c3f5e2f1a03",
    sequence=3,
    type=PosEventType.RETURN,
    occurred_at=datetime(2026, 11, 22, 22, 41, tzinfo=UTC),
    lines=(FactLine("CJ-1082185", 1, "0.87"),),
    receipt="7-2",
    original_receipt="7-1",
    tenders=(FactTender("CASH", "0.87"),),
)

GOLDEN = {
    "SALE": (SALE, "018559c3dc0fedb9d3d0a7ea4a07bdc28eeb32f04284a16012d5001423f57303e5"),
    "COUNT": (COUNT, "0131d259b6c6517c33d9f4c38cf8de877a57730ab257aeba77a02640ab2ce2cb90"),
    "RETURN": (RETURN, "0137d01f5d6bf39b3d38e2a998fc5c6080377ca0c49f6a3060042604af0ffd6b4b"),
}
"""Facts and their digests of version 1. A change here parks every event that a till sends again as tampered."""

CHANGES: dict[str, Any] = {
    "sequence": 7,
    "event_id": "another",
    "type": PosEventType.RETURN,
    "occurred_at": SALE.occurred_at + timedelta(microseconds=1),
    "lines": SALE.lines[:1],
    "receipt": None,
    "original_receipt": "6-8",
    "tenders": None,
    "loyalty_card": None,
    "cart_id": None,
    "coupons": SALE.coupons[::-1],
}


class LaterLine(FactLine, frozen=True, rename="camel"):
    """A line of a later release."""

    serial_number: str | None = None
    lots: tuple[str, ...] = ()


class LaterFact(TillFact, frozen=True, rename="camel"):
    """A fact of a later release."""

    cashier: str | None = None
    note: str = ""
    extensions: dict[str, str] = msgspec.field(default_factory=dict)


def later(fact: TillFact, **fields: Any) -> LaterFact:
    """Return the fact as a later release receives it."""
    lines = tuple(LaterLine(**msgspec.structs.asdict(line)) for line in fact.lines)
    return LaterFact(**{**msgspec.structs.asdict(fact), "lines": lines, **fields})


@pytest.mark.parametrize("name", GOLDEN)
def test_digests_of_facts_never_change(name: str) -> None:
    fact, digest = GOLDEN[name]

    assert fact.digest.hex() == digest
    assert digests.matches(bytes.fromhex(digest), fact)


@pytest.mark.parametrize("fact", [SALE, COUNT, RETURN], ids=lambda fact: fact.type)
def test_new_optional_fields_change_no_digest(fact: TillFact) -> None:
    assert later(fact).digest == fact.digest
    assert digests.matches(fact.digest, later(fact))


@pytest.mark.parametrize("fields", [{"cashier": "Aiko"}, {"note": "x"}, {"extensions": {"a": "b"}}])
def test_a_new_field_with_a_value_changes_the_digest(fields: dict[str, Any]) -> None:
    assert later(SALE, **fields).digest != SALE.digest
    assert later(SALE, lines=(LaterLine("CJ-1082185", 2, lots=("L1",)),)).digest != SALE.digest


@pytest.mark.parametrize("field", msgspec.structs.fields(TillFact), ids=lambda field: field.name)
def test_every_field_is_in_the_digest(field: Any) -> None:
    assert msgspec.structs.replace(SALE, **{field.name: CHANGES[field.name]}).digest != SALE.digest


@pytest.mark.parametrize(
    "line",
    [FactLine("CJ-1082185", 2, "0.870"), FactLine("CJ-1082185", 3, "0.87"), FactLine("CJ-1082185", 2, "0.87", "0.00")],
)
def test_other_text_for_an_amount_is_another_content(line: FactLine) -> None:
    assert msgspec.structs.replace(SALE, lines=(line, SALE.lines[1])).digest != SALE.digest


def test_the_same_moment_in_another_zone_is_the_same_content() -> None:
    tokyo = SALE.occurred_at.astimezone(timezone(timedelta(hours=9)))

    assert msgspec.structs.replace(SALE, occurred_at=tokyo).digest == SALE.digest


@pytest.mark.parametrize("moment", [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)])  # noqa: DTZ001
@pytest.mark.parametrize("hours", [-9, 9])
def test_times_at_the_ends_of_the_calendar_have_digests(moment: datetime, hours: int) -> None:
    fact = msgspec.structs.replace(SALE, occurred_at=moment.replace(tzinfo=timezone(timedelta(hours=hours))))

    assert digests.matches(fact.digest, fact)


async def test_absent_null_and_empty_fields_are_the_same_event(shop: Shop) -> None:
    till = await open_till(shop)
    absent = till.stock_fact("RECEIPT", TEA=5)
    null = absent | dict.fromkeys(["receipt", "originalReceipt", "tenders", "loyaltyCard", "cartId", "coupons"])
    empty = absent | {"receipt": "", "originalReceipt": "", "tenders": [], "cartId": "", "coupons": []}
    line = absent["lines"][0]
    spelled_out = absent | {"lines": [{**line, "unitPrice": None, "discount": "0"}]}

    payload = await till.send(absent, null, empty, spelled_out)
    again = await till.send(empty, spelled_out, null, absent)

    assert statuses(payload) == ["APPLIED"] + ["DUPLICATE"] * 3
    assert statuses(again) == ["DUPLICATE"] * 4
    assert (await on_hand(shop), await conflicts(shop)) == (5, [])


async def test_an_event_with_changed_content_is_parked_as_tampered(shop: Shop) -> None:
    till = await open_till(shop)
    sale = till.sale(TEA=2) | {"coupons": [], "loyaltyCard": "4912345"}
    await till.verdicts(sale)

    payload = await till.send(
        sale | {"loyaltyCard": "4912346"},
        sale | {"receipt": None},
        sale | {"tenders": [{"method": "CARD", "amount": "200"}]},
        sale | {"occurredAt": now(days=1).isoformat()},
        sale,
    )

    assert statuses(payload) == ["PARKED"] * 4 + ["DUPLICATE"]
    assert len(await conflicts(shop, k="TAMPERED")) == 4
    assert len(await orders(shop)) == 1


async def test_events_that_an_earlier_release_has_stored_are_recognized(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = await open_till(shop)
    actor = await actor_of(till)
    applied = msgspec.structs.replace(COUNT, lines=(FactLine(shop.sku("TEA"), 520),))
    unknown_sku = msgspec.structs.replace(COUNT, event_id="e", sequence=5, lines=(FactLine("no-such-sku", 1),))
    no_identity = msgspec.structs.replace(COUNT, event_id="", sequence=6)
    tampered = msgspec.structs.replace(applied, lines=(FactLine(shop.sku("TEA"), 521),))
    facts = [applied, unknown_sku, no_identity, tampered]
    assert await send(till, actor, facts) == ["APPLIED", "PARKED", "PARKED", "PARKED"]

    upgrade_digests(monkeypatch)
    again = await send(till, actor, facts)
    other = msgspec.structs.replace(applied, lines=(FactLine(shop.sku("TEA"), 522),))

    assert again == ["DUPLICATE", "PARKED", "PARKED", "PARKED"]
    assert len(await conflicts(shop)) == 3
    assert await send(till, actor, [other, applied]) == ["PARKED", "DUPLICATE"]
    assert len(await conflicts(shop, k="TAMPERED")) == 2


def upgrade_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make digests of a version 2 from now on, as a later release would."""

    def digest_2(content: object) -> bytes:
        return b"\x02" + digests._digest_1(content)[:0:-1]

    monkeypatch.setitem(digests._DIGESTS, 2, digest_2)
    monkeypatch.setattr(digests, "digest", digest_2)


async def actor_of(till: Till) -> Actor:
    assert till.client.key is not None
    async with till.shop.hub.database.reading() as session:
        found = await keys.authenticate(session, till.client.key)
    assert found is not None
    return found[0]


async def send(till: Till, actor: Actor, facts: list[TillFact]) -> list[str]:
    """Process a batch in this process and return the verdicts."""
    async with till.shop.hub.database.transaction() as session:
        result = await sync.sync(
            session, actor=actor, settings=till.shop.hub.settings, sent_at=now(), epoch=1, facts=facts
        )
    return [verdict.status for verdict in result.verdicts]
