"""Checks of verdicts: what the hub applies, what it parks and why, and that a parked event blocks no other."""

from __future__ import annotations

from msgspec.structs import replace

from uriba.till.conformance.probe import CheckSkipped, Probe, encode, error_codes, expect, expect_error, statuses
from uriba.till.errors import MalformedEvent
from uriba.till.protocol import EventLine, EventType, Tender, TillEvent, total_of

UNKNOWN_SKU = "CONFORM-NO-SUCH-SKU"


def _event_with_unknown_sku(probe: Probe, sequence: int) -> TillEvent:
    return probe.event(EventType.RECEIPT, 1, sequence=sequence, sku=UNKNOWN_SKU)


def parked_is_acknowledged(probe: Probe) -> str:
    """An event with an unknown SKU is PARKED with a reason, and counts as acknowledged."""
    answer = probe.send(_event_with_unknown_sku(probe, 1), epoch=probe.new_epoch())
    expect("statuses", ["PARKED"], statuses(answer))
    expect("acknowledged", 1, answer.acknowledged)
    expect("has a reason", True, bool(answer.results[0].errors))
    return str(answer.results[0].errors[0])


def parked_again(probe: Probe) -> str:
    """A parked event that is sent again is PARKED again, in the same batch or in another."""
    epoch = probe.new_epoch()
    event = _event_with_unknown_sku(probe, 1)
    answers = [probe.send(event, event, epoch=epoch), probe.send(event, epoch=epoch)]
    expect("statuses", [["PARKED", "PARKED"], ["PARKED"]], [statuses(answer) for answer in answers])
    expect("has a reason", True, all(result.errors for answer in answers for result in answer.results))
    return "PARKED, PARKED, then PARKED"


def bad_event_blocks_no_other(probe: Probe) -> str:
    """The events before and after a parked one in the same batch are applied."""
    epoch = probe.set_on_hand(500)
    before, after = (probe.event(EventType.RECEIPT, 1, sequence=sequence) for sequence in (2, 4))
    answer = probe.send(before, _event_with_unknown_sku(probe, 3), after, epoch=epoch)
    expect("statuses", ["APPLIED", "PARKED", "APPLIED"], statuses(answer))
    expect("on hand", 502, probe.on_hand())
    return "500, and two receipts around a parked event: on hand is 502"


def lines_of_same_sku(probe: Probe) -> str:
    """Lines of the same SKU add up; a count that names a SKU twice is PARKED."""
    epoch = probe.set_on_hand(500)
    lines = (EventLine(probe.item.sku, 1), EventLine(probe.item.sku, 2))
    receipt = probe.event(EventType.RECEIPT, 1, sequence=2, lines=lines)
    count = probe.event(EventType.COUNT, 1, sequence=3, lines=lines)
    answer = probe.send(receipt, count, epoch=epoch)
    expect("statuses", ["APPLIED", "PARKED"], statuses(answer))
    expect("on hand", 503, probe.on_hand())
    return "500, and one receipt with lines of 1 and 2: on hand is 503"


def bad_line_parks_all_lines(probe: Probe) -> str:
    """An event is applied with all of its lines or with none."""
    epoch = probe.set_on_hand(500)
    lines = (EventLine(probe.item.sku, 5), EventLine(UNKNOWN_SKU, 1))
    answer = probe.send(probe.event(EventType.RECEIPT, 1, sequence=2, lines=lines), epoch=epoch)
    expect("statuses", ["PARKED"], statuses(answer))
    expect("on hand", 500, probe.on_hand())
    return "one valid and one invalid line: on hand stays 500"


def tampered(probe: Probe) -> str:
    """An event with the id and sequence of another but different content is PARKED; the first one stays applied."""
    epoch = probe.set_on_hand(500)
    event = probe.event(EventType.RECEIPT, 3, sequence=2)
    changed = replace(event, lines=(EventLine(probe.item.sku, 30),))
    answers = [probe.send(sent, epoch=epoch) for sent in (event, changed, event)]
    expect("statuses", ["APPLIED", "PARKED", "DUPLICATE"], [statuses(answer)[0] for answer in answers])
    expect("on hand", 503, probe.on_hand())
    return f"{answers[1].results[0].errors[0]}; on hand stays 503"


def sequence_used_twice(probe: Probe) -> str:
    """A second event with a used sequence is PARKED, as after a journal was restored from a backup."""
    epoch = probe.set_on_hand(500)
    events = [probe.event(EventType.RECEIPT, units, sequence=2) for units in (3, 30)]
    answer = probe.send(*events, epoch=epoch)
    expect("statuses", ["APPLIED", "PARKED"], statuses(answer))
    expect("on hand", 503, probe.on_hand())
    return "APPLIED, then PARKED; on hand stays 503"


def quantity_zero(probe: Probe) -> str:
    """A receipt of 0 units is PARKED; a count of 0 units is APPLIED."""
    epoch = probe.set_on_hand(0)
    answer = probe.send(probe.event(EventType.RECEIPT, 0, sequence=2), epoch=epoch)
    expect("statuses", ["PARKED"], statuses(answer))
    return str(answer.results[0].errors[0])


def tenders_add_up(probe: Probe) -> str:
    """A sale whose tenders differ from the total of its lines is PARKED with PAYMENT_MISMATCH, and takes no stock."""
    epoch = probe.set_on_hand(500)
    sale = probe.sale(1, sequence=2)
    overpaid = replace(sale, tenders=(*(sale.tenders or ()), Tender("CASH", "1")))
    answer = probe.send(overpaid, epoch=epoch)
    expect("statuses", ["PARKED"], statuses(answer))
    expect("error codes", ["PAYMENT_MISMATCH"], error_codes(answer.results[0]))
    expect("on hand", 500, probe.on_hand())
    return answer.results[0].errors[0].message


def oversold_sale(probe: Probe) -> str:
    """A sale of more units than the hub has on hand is applied, because it has happened."""
    epoch = probe.set_on_hand(1)
    answer = probe.send(probe.sale(2, sequence=2), epoch=epoch)
    expect("statuses", ["APPLIED"], statuses(answer))
    expect("on hand", -1, probe.on_hand())
    probe.set_on_hand(500, epoch=epoch, sequence=3)
    return "1 counted, 2 sold: on hand is -1"


def default_price(probe: Probe) -> str:
    """A sale without unitPrice and tenders is applied; it has the hub's price."""
    epoch = probe.set_on_hand(500)
    event = replace(probe.sale(1, sequence=2), lines=(EventLine(probe.item.sku, 1),), tenders=None)
    expect("statuses", ["APPLIED"], statuses(probe.send(event, epoch=epoch)))
    expect("on hand", 499, probe.on_hand())
    return "APPLIED without unitPrice and tenders"


def barcode(probe: Probe) -> str:
    """A line may have a barcode instead of a SKU."""
    code = probe.item.barcode
    if not code:
        raise CheckSkipped(f"{probe.item.sku} has no barcode")
    epoch = probe.set_on_hand(500)
    answer = probe.send(probe.event(EventType.RECEIPT, 2, sequence=2, sku=code), epoch=epoch)
    expect("statuses", ["APPLIED"], statuses(answer))
    expect("on hand", 502, probe.on_hand())
    return f"{code} is {probe.item.sku}"


def return_before_sale(probe: Probe) -> str:
    """A return may arrive before its sale; both are applied."""
    epoch = probe.set_on_hand(500)
    sold_at, returned_at = probe.times(2)
    sale = probe.sale(3, sequence=2, at=sold_at)
    returned = probe.event(
        EventType.RETURN,
        1,
        sequence=3,
        at=returned_at,
        lines=(EventLine(probe.item.sku, 1, probe.item.price),),
        receipt=probe.new_receipt(),
        original_receipt=sale.receipt,
        tenders=(Tender("CASH", str(probe.item.price)),),
    )
    answers = [probe.send(event, epoch=epoch) for event in (returned, sale)]
    expect("statuses", ["APPLIED", "APPLIED"], [statuses(answer)[0] for answer in answers])
    expect("on hand", 498, probe.on_hand())
    # Two of the three units are still to be returned at the end.
    rest = (EventLine(probe.item.sku, 2, probe.item.price),)
    probe.sales[-1] = replace(sale, lines=rest, tenders=(Tender("CASH", total_of(rest)),))
    return "500, 3 sold and 1 returned: on hand is 498"


def malformed_event_named(probe: Probe) -> str:
    """The error for an event that cannot be parsed states its index in the batch; no event of it is kept."""
    epoch = probe.new_epoch()
    events = [encode(probe.event(EventType.RECEIPT, 1, sequence=1)), b'{"eventId":"x","sequence":2,"type":"RECEIPT"}']
    message = expect_error(MalformedEvent, lambda: probe.hub.sync(events, epoch=epoch, clock=probe.now))
    expect("acknowledged afterwards", 0, probe.send(epoch=epoch).acknowledged)
    return message


CHECKS = (
    parked_is_acknowledged,
    parked_again,
    bad_event_blocks_no_other,
    bad_line_parks_all_lines,
    lines_of_same_sku,
    tampered,
    sequence_used_twice,
    quantity_zero,
    tenders_add_up,
    oversold_sale,
    default_price,
    barcode,
    return_before_sale,
    malformed_event_named,
)
