"""Checks of what a hub has and has not: sequences, gaps, repetition, epochs, limits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from uriba.till.conformance.probe import Probe, encode, expect, gaps, refused, statuses
from uriba.till.errors import KeyRefused, TooLarge
from uriba.till.events import Event, Kind
from uriba.till.hub import Hub

EVENTS_MAX = 1_000
BYTES_MAX = 4_000_000
SENDERS = 4


def receipts(probe: Probe, *sequences: int) -> list[Event]:
    return [probe.event(Kind.RECEIPT, 1, sequence=sequence) for sequence in sequences]


def empty_batch(probe: Probe) -> str:
    """An empty batch says where an epoch stands."""
    answer = probe.send(epoch=probe.epoch())
    expect("(acknowledged, missing) of a new epoch", (0, []), (answer.acknowledged, gaps(answer)))
    return "acknowledged 0, nothing missing"


def results_in_order(probe: Probe) -> str:
    """Each event has its result, in the order sent."""
    events = receipts(probe, 3, 1, 2)
    answer = probe.send(*events, epoch=probe.epoch())
    expect("ids", [event.event_id for event in events], [result.event_id for result in answer.results])
    expect("statuses", ["APPLIED"] * 3, statuses(answer))
    expect("acknowledged", 3, answer.acknowledged)
    return "3 results, sequences 3, 1, 2; acknowledged 3"


def gaps_are_named(probe: Probe) -> str:
    """Acknowledged stops before the first gap; missing names each gap until it is filled."""
    epoch = probe.epoch()
    seen = []
    for sequences in ((1, 2, 5, 9), (4, 7), (3,), (6, 8)):
        answer = probe.send(*receipts(probe, *sequences), epoch=epoch)
        seen.append((answer.acknowledged, gaps(answer)))
    wanted = [(2, [(3, 4), (6, 8)]), (2, [(3, 3), (6, 6), (8, 8)]), (5, [(6, 6), (8, 8)]), (9, [])]
    expect("(acknowledged, missing) batch by batch", wanted, seen)
    return "acknowledged 2, 2, 5, 9"


def duplicates(probe: Probe) -> str:
    """What is sent again answers DUPLICATE and moves nothing, in the same batch or in another."""
    epoch = probe.counted(500)
    event = probe.event(Kind.RECEIPT, 3, sequence=2)
    first = probe.send(event, event, epoch=epoch)
    again = probe.send(event, epoch=epoch)
    expect("statuses", ["APPLIED", "DUPLICATE", "DUPLICATE"], statuses(first) + statuses(again))
    expect("on hand", 503, probe.on_hand())
    return "500 and a receipt of 3, sent three times: 503"


def at_once(probe: Probe) -> str:
    """A batch that is sent again while the hub still works on it is applied once."""
    epoch = probe.counted(500)
    events = receipts(probe, *range(2, 22))
    with ThreadPoolExecutor(SENDERS) as senders:
        answers = list(senders.map(lambda _: statuses(probe.send(*events, epoch=epoch)), range(SENDERS)))
    expect("applied in all", len(events), sum(answer.count("APPLIED") for answer in answers))
    expect("on hand", 520, probe.on_hand())
    return f"500 and 20 receipts of 1, sent {SENDERS} times at once: 520"


def epochs_are_apart(probe: Probe) -> str:
    """A new epoch begins with sequence 1 again; each epoch is acknowledged by itself."""
    old, new = probe.counted(500), probe.epoch()
    before = probe.send(probe.event(Kind.RECEIPT, 1, sequence=2), epoch=old)
    after = probe.send(probe.event(Kind.RECEIPT, 1, sequence=1), epoch=new)
    expect("statuses", ["APPLIED", "APPLIED"], statuses(before) + statuses(after))
    expect("acknowledged", (2, 1), (before.acknowledged, after.acknowledged))
    expect("on hand", 502, probe.on_hand())
    return "acknowledged 2 of the old, 1 of the new"


def ids_are_for_ever(probe: Probe) -> str:
    """An event id that was used in an earlier epoch is not applied again."""
    epoch = probe.counted(500)
    event = probe.event(Kind.RECEIPT, 4, sequence=2)
    probe.send(event, epoch=epoch)
    (status,) = statuses(probe.send(event, epoch=probe.epoch()))
    expect("applied again", False, status == "APPLIED")
    expect("on hand", 504, probe.on_hand())
    return f"{status}, and on hand stays 504"


def too_many_events(probe: Probe) -> str:
    """A batch of 1,001 events is refused as a whole with LIMIT_EXCEEDED, and nothing of it is kept."""
    epoch = probe.epoch()
    events = receipts(probe, *range(1, EVENTS_MAX + 2))
    sentence = refused(TooLarge, lambda: probe.send(*events, epoch=epoch))
    expect("acknowledged after it", 0, probe.send(epoch=epoch).acknowledged)
    return sentence


def thousand_events(probe: Probe) -> str:
    """A batch of 1,000 events is taken."""
    epoch = probe.counted(0)
    answer = probe.send(*receipts(probe, *range(2, EVENTS_MAX + 2)), epoch=epoch)
    expect("statuses", {"APPLIED"}, set(statuses(answer)))
    expect("(acknowledged, on hand)", (EVENTS_MAX + 1, EVENTS_MAX), (answer.acknowledged, probe.on_hand()))
    return "1,000 receipts of 1: on hand 1,000"


def too_many_bytes(probe: Probe) -> str:
    """A body above 4 MB is HTTP 413, and nothing of it is kept."""
    epoch = probe.epoch()
    event = probe.event(Kind.RECEIPT, 1, sequence=1, receipt="x" * BYTES_MAX)
    sentence = refused(TooLarge, lambda: probe.hub.sync([encode(event)], epoch=epoch, clock=probe.now))
    expect("acknowledged after it", 0, probe.send(epoch=epoch).acknowledged)
    return sentence


def needs_a_key(probe: Probe) -> str:
    """Without a terminal's key nothing is taken."""
    nobody = Hub(probe.hub.url, "no-key-of-any-terminal", tries_max=1)
    try:
        return refused(KeyRefused, lambda: nobody.sync([], epoch=1, clock=probe.now))
    finally:
        nobody.close()


CHECKS = (
    needs_a_key,
    empty_batch,
    results_in_order,
    gaps_are_named,
    duplicates,
    at_once,
    epochs_are_apart,
    ids_are_for_ever,
    thousand_events,
    too_many_events,
    too_many_bytes,
)
