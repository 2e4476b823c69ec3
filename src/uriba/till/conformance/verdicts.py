"""Checks of what a hub does with what it cannot apply: kept whole, named, and in nobody's way."""

from __future__ import annotations

from msgspec.structs import replace

from uriba.till.conformance.probe import Probe, Skipped, codes, encode, expect, refused, statuses
from uriba.till.errors import EventMalformed
from uriba.till.events import Event, Kind, Line, Tender, amount_of

UNKNOWN = "CONFORM-NO-SUCH-SKU"


def unknown_sku(probe: Probe, sequence: int) -> Event:
    return probe.event(Kind.RECEIPT, 1, sequence=sequence, sku=UNKNOWN)


def parked_is_acknowledged(probe: Probe) -> str:
    """An event with an unknown SKU is PARKED with its reason, and counts as acknowledged."""
    answer = probe.send(unknown_sku(probe, 1), epoch=probe.epoch())
    expect("statuses", ["PARKED"], statuses(answer))
    expect("acknowledged", 1, answer.acknowledged)
    expect("it says why", True, bool(answer.results[0].errors))
    return str(answer.results[0].errors[0])


def parked_again(probe: Probe) -> str:
    """A parked event that is sent again answers PARKED again, in the same batch or in another."""
    epoch = probe.epoch()
    event = unknown_sku(probe, 1)
    answers = [probe.send(event, event, epoch=epoch), probe.send(event, epoch=epoch)]
    expect("statuses", [["PARKED", "PARKED"], ["PARKED"]], [statuses(answer) for answer in answers])
    expect("it says why", True, all(result.errors for answer in answers for result in answer.results))
    return "PARKED, PARKED, then PARKED"


def bad_event_stops_none(probe: Probe) -> str:
    """The events around a bad one are applied."""
    epoch = probe.counted(500)
    events = [probe.event(Kind.RECEIPT, 1, sequence=2), unknown_sku(probe, 3), probe.event(Kind.RECEIPT, 1, sequence=4)]
    answer = probe.send(*events, epoch=epoch)
    expect("statuses", ["APPLIED", "PARKED", "APPLIED"], statuses(answer))
    expect("on hand", 502, probe.on_hand())
    return "500 and two receipts around a bad one: 502"


def lines_add_up(probe: Probe) -> str:
    """Lines of one SKU add up; a count names each SKU once, or is PARKED."""
    epoch = probe.counted(500)
    lines = (Line(probe.good.sku, 1), Line(probe.good.sku, 2))
    events = [probe.event(kind, 1, sequence=n, lines=lines) for n, kind in ((2, Kind.RECEIPT), (3, Kind.COUNT))]
    answer = probe.send(*events, epoch=epoch)
    expect("statuses", ["APPLIED", "PARKED"], statuses(answer))
    expect("on hand", 503, probe.on_hand())
    return "500, received 1 and 2 in one event: 503"


def bad_line_parks_all_lines(probe: Probe) -> str:
    """An event is applied with all of its lines or with none."""
    epoch = probe.counted(500)
    lines = (Line(probe.good.sku, 5), Line(UNKNOWN, 1))
    answer = probe.send(probe.event(Kind.RECEIPT, 1, sequence=2, lines=lines), epoch=epoch)
    expect("statuses", ["PARKED"], statuses(answer))
    expect("on hand", 500, probe.on_hand())
    return "one good line, one bad: on hand stays 500"


def tampered(probe: Probe) -> str:
    """An event with another's id and sequence but other content is PARKED; the first one stands."""
    epoch = probe.counted(500)
    event = probe.event(Kind.RECEIPT, 3, sequence=2)
    forged = replace(event, lines=(Line(probe.good.sku, 30),))
    answers = [probe.send(each, epoch=epoch) for each in (event, forged, event)]
    expect("statuses", ["APPLIED", "PARKED", "DUPLICATE"], [statuses(answer)[0] for answer in answers])
    expect("on hand", 503, probe.on_hand())
    return f"{answers[1].results[0].errors[0]}; on hand stays 503"


def sequence_used_twice(probe: Probe) -> str:
    """A second event with a sequence that is taken is PARKED, as where a till's journal came back from a backup."""
    epoch = probe.counted(500)
    events = [probe.event(Kind.RECEIPT, units, sequence=2) for units in (3, 30)]
    answer = probe.send(*events, epoch=epoch)
    expect("statuses", ["APPLIED", "PARKED"], statuses(answer))
    expect("on hand", 503, probe.on_hand())
    return "APPLIED, then PARKED; on hand stays 503"


def quantity_zero(probe: Probe) -> str:
    """A receipt of 0 units is PARKED, a count of 0 units is APPLIED."""
    epoch = probe.counted(0)
    answer = probe.send(probe.event(Kind.RECEIPT, 0, sequence=2), epoch=epoch)
    expect("statuses", ["PARKED"], statuses(answer))
    return str(answer.results[0].errors[0])


def tenders_add_up(probe: Probe) -> str:
    """A sale whose tenders are not its lines' total is PARKED with PAYMENT_MISMATCH, and takes no stock."""
    epoch = probe.counted(500)
    sale = probe.sale(1, sequence=2)
    wrong = replace(sale, tenders=(*(sale.tenders or ()), Tender("CASH", "1")))
    answer = probe.send(wrong, epoch=epoch)
    expect("statuses", ["PARKED"], statuses(answer))
    expect("codes", ["PAYMENT_MISMATCH"], codes(answer.results[0]))
    expect("on hand", 500, probe.on_hand())
    return answer.results[0].errors[0].message


def never_short(probe: Probe) -> str:
    """A sale of more than the hub thinks is there is applied: it has happened."""
    epoch = probe.counted(1)
    answer = probe.send(probe.sale(2, sequence=2), epoch=epoch)
    expect("statuses", ["APPLIED"], statuses(answer))
    expect("on hand", -1, probe.on_hand())
    probe.counted(500, epoch=epoch, sequence=3)
    return "1 counted, 2 sold: on hand -1"


def price_of_the_hub(probe: Probe) -> str:
    """A sale may leave price and tenders to the hub."""
    epoch = probe.counted(500)
    event = replace(probe.sale(1, sequence=2), lines=(Line(probe.good.sku, 1),), tenders=None)
    expect("statuses", ["APPLIED"], statuses(probe.send(event, epoch=epoch)))
    expect("on hand", 499, probe.on_hand())
    return "APPLIED without unitPrice and tenders"


def barcode(probe: Probe) -> str:
    """A line may name a barcode instead of a SKU."""
    code = probe.good.barcode
    if not code:
        raise Skipped(f"{probe.good.sku} has no barcode")
    epoch = probe.counted(500)
    expect(
        "statuses", ["APPLIED"], statuses(probe.send(probe.event(Kind.RECEIPT, 2, sequence=2, sku=code), epoch=epoch))
    )
    expect("on hand", 502, probe.on_hand())
    return f"{code} is {probe.good.sku}"


def return_before_sale(probe: Probe) -> str:
    """A return may come before its sale; both are applied."""
    epoch = probe.counted(500)
    sold_at, back_at = probe.moments(2)
    sale = probe.sale(3, sequence=2, at=sold_at)
    lines = (Line(probe.good.sku, 1, probe.good.price),)
    back = probe.event(
        Kind.RETURN,
        1,
        sequence=3,
        at=back_at,
        lines=lines,
        receipt=probe.receipt(),
        original_receipt=sale.receipt,
        tenders=(Tender("CASH", str(probe.good.price)),),
    )
    answers = [probe.send(event, epoch=epoch) for event in (back, sale)]
    expect("statuses", ["APPLIED", "APPLIED"], [statuses(answer)[0] for answer in answers])
    expect("on hand", 498, probe.on_hand())
    # What is still to come back at the end.
    rest = (Line(probe.good.sku, 2, probe.good.price),)
    probe.sold[-1] = replace(sale, lines=rest, tenders=(Tender("CASH", amount_of(rest)),))
    return "500, 3 sold and 1 back: 498"


def malformed_is_named(probe: Probe) -> str:
    """An event that cannot be read is named by its place, so that the till can set it aside; nothing is kept."""
    epoch = probe.epoch()
    events = [encode(probe.event(Kind.RECEIPT, 1, sequence=1)), b'{"eventId":"x","sequence":2,"type":"RECEIPT"}']
    sentence = refused(EventMalformed, lambda: probe.hub.sync(events, epoch=epoch, clock=probe.now))
    expect("acknowledged after it", 0, probe.send(epoch=epoch).acknowledged)
    return sentence


CHECKS = (
    parked_is_acknowledged,
    parked_again,
    bad_event_stops_none,
    bad_line_parks_all_lines,
    lines_add_up,
    tampered,
    sequence_used_twice,
    quantity_zero,
    tenders_add_up,
    never_short,
    price_of_the_hub,
    barcode,
    return_before_sale,
    malformed_is_named,
)
