"""Checks of sequences, gaps, duplicates, epochs, limits and keys."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from uriba.till.conformance.probe import Probe, encode, expect, expect_error, gaps, statuses
from uriba.till.errors import BatchTooLarge, KeyRejected
from uriba.till.hub_client import HubClient
from uriba.till.protocol import EventType, TillEvent

EVENTS_MAX = 1_000
BYTES_MAX = 4_000_000
CONCURRENT_SENDERS = 4


def _receipts(probe: Probe, *sequences: int) -> list[TillEvent]:
    return [probe.event(EventType.RECEIPT, 1, sequence=sequence) for sequence in sequences]


def empty_batch(probe: Probe) -> str:
    """An empty batch is answered with the state of its epoch."""
    answer = probe.send(epoch=probe.new_epoch())
    expect("(acknowledged, missing) of a new epoch", (0, []), (answer.acknowledged, gaps(answer)))
    return "acknowledged 0, nothing missing"


def results_in_order(probe: Probe) -> str:
    """Each event has a result, in the order sent."""
    events = _receipts(probe, 3, 1, 2)
    answer = probe.send(*events, epoch=probe.new_epoch())
    expect("event ids", [event.event_id for event in events], [result.event_id for result in answer.results])
    expect("statuses", ["APPLIED"] * 3, statuses(answer))
    expect("acknowledged", 3, answer.acknowledged)
    return "3 results for the sequences 3, 1, 2; acknowledged 3"


def gaps_reported(probe: Probe) -> str:
    """Acknowledged stops before the first gap; missing lists each gap until it is filled."""
    epoch = probe.new_epoch()
    seen = []
    for sequences in ((1, 2, 5, 9), (4, 7), (3,), (6, 8)):
        answer = probe.send(*_receipts(probe, *sequences), epoch=epoch)
        seen.append((answer.acknowledged, gaps(answer)))
    expected = [(2, [(3, 4), (6, 8)]), (2, [(3, 3), (6, 6), (8, 8)]), (5, [(6, 6), (8, 8)]), (9, [])]
    expect("(acknowledged, missing) of each batch", expected, seen)
    return "acknowledged 2, 2, 5, 9"


def duplicates(probe: Probe) -> str:
    """An event that is sent again is DUPLICATE and changes nothing, in the same batch or in another."""
    epoch = probe.set_on_hand(500)
    event = probe.event(EventType.RECEIPT, 3, sequence=2)
    first = probe.send(event, event, epoch=epoch)
    second = probe.send(event, epoch=epoch)
    expect("statuses", ["APPLIED", "DUPLICATE", "DUPLICATE"], statuses(first) + statuses(second))
    expect("on hand", 503, probe.on_hand())
    return "500, and a receipt of 3 sent three times: on hand is 503"


def concurrent_duplicates(probe: Probe) -> str:
    """A batch that is sent again while the hub still processes it is applied once."""
    epoch = probe.set_on_hand(500)
    events = _receipts(probe, *range(2, 22))
    with ThreadPoolExecutor(CONCURRENT_SENDERS) as senders:
        answers = list(senders.map(lambda _: statuses(probe.send(*events, epoch=epoch)), range(CONCURRENT_SENDERS)))
    expect("APPLIED in all answers", len(events), sum(answer.count("APPLIED") for answer in answers))
    expect("on hand", 520, probe.on_hand())
    return f"500, and 20 receipts of 1 sent {CONCURRENT_SENDERS} times at once: on hand is 520"


def epochs_independent(probe: Probe) -> str:
    """A new epoch starts with sequence 1 again; each epoch has its own acknowledged."""
    old, new = probe.set_on_hand(500), probe.new_epoch()
    in_old = probe.send(probe.event(EventType.RECEIPT, 1, sequence=2), epoch=old)
    in_new = probe.send(probe.event(EventType.RECEIPT, 1, sequence=1), epoch=new)
    expect("statuses", ["APPLIED", "APPLIED"], statuses(in_old) + statuses(in_new))
    expect("acknowledged", (2, 1), (in_old.acknowledged, in_new.acknowledged))
    expect("on hand", 502, probe.on_hand())
    return "acknowledged 2 in the old epoch, 1 in the new one"


def event_id_reused(probe: Probe) -> str:
    """An event id that was used in an earlier epoch is not applied again."""
    epoch = probe.set_on_hand(500)
    event = probe.event(EventType.RECEIPT, 4, sequence=2)
    probe.send(event, epoch=epoch)
    (status,) = statuses(probe.send(event, epoch=probe.new_epoch()))
    expect("applied again", False, status == "APPLIED")
    expect("on hand", 504, probe.on_hand())
    return f"{status}, and on hand stays 504"


def too_many_events(probe: Probe) -> str:
    """A batch of 1,001 events is rejected as a whole with LIMIT_EXCEEDED, and no event of it is kept."""
    epoch = probe.new_epoch()
    events = _receipts(probe, *range(1, EVENTS_MAX + 2))
    message = expect_error(BatchTooLarge, lambda: probe.send(*events, epoch=epoch))
    expect("acknowledged afterwards", 0, probe.send(epoch=epoch).acknowledged)
    return message


def largest_batch(probe: Probe) -> str:
    """A batch of 1,000 events is accepted."""
    epoch = probe.set_on_hand(0)
    answer = probe.send(*_receipts(probe, *range(2, EVENTS_MAX + 2)), epoch=epoch)
    expect("statuses", {"APPLIED"}, set(statuses(answer)))
    expect("(acknowledged, on hand)", (EVENTS_MAX + 1, EVENTS_MAX), (answer.acknowledged, probe.on_hand()))
    return "1,000 receipts of 1: on hand is 1,000"


def too_many_bytes(probe: Probe) -> str:
    """A request of more than 4 MB is rejected with HTTP 413, and no event of it is kept."""
    epoch = probe.new_epoch()
    event = probe.event(EventType.RECEIPT, 1, sequence=1, receipt="x" * BYTES_MAX)
    message = expect_error(BatchTooLarge, lambda: probe.hub.sync([encode(event)], epoch=epoch, clock=probe.now))
    expect("acknowledged afterwards", 0, probe.send(epoch=epoch).acknowledged)
    return message


def key_required(probe: Probe) -> str:
    """Without a terminal's key a batch is rejected."""
    client = HubClient(probe.hub.url, "no-key-of-any-terminal", attempts_max=1)
    try:
        return expect_error(KeyRejected, lambda: client.sync([], epoch=1, clock=probe.now))
    finally:
        client.close()


CHECKS = (
    key_required,
    empty_batch,
    results_in_order,
    gaps_reported,
    duplicates,
    concurrent_duplicates,
    epochs_independent,
    event_id_reused,
    largest_batch,
    too_many_events,
    too_many_bytes,
)
