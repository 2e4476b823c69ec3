"""What waits for an endpoint: in order per subject, whatever fails; a property over random runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from uriba.outbound import retry_policy
from uriba.webhooks import delivery_window
from uriba.webhooks.coalescing import body_of, coalesced
from uriba.webhooks.delivery_window import DOWN_AFTER, Waiting, Window

NOW = datetime(2026, 5, 4, 3, 0, tzinfo=UTC)


def waiting(position: int, subject: str = "Cart:1", *, attempts: int = 0, due: float = 0.0) -> Waiting:
    return Waiting(position, position, f"e{position}", subject, b"{}", attempts, due)


def test_a_subjects_next_waits_for_the_one_before() -> None:
    found = Window()
    found.add([waiting(1), waiting(2), waiting(3, "Cart:2")])

    first, other = found.next(0), found.next(0)
    assert first is not None and other is not None
    assert (first.position, other.position, found.next(0)) == (1, 3, None)
    found.taken(first)
    second = found.next(0)
    assert second is not None and second.position == 2


def test_one_that_failed_holds_up_its_own_subject_alone() -> None:
    found = Window()
    found.add([waiting(1), waiting(2), waiting(3, "Cart:2")])

    first = found.next(0)
    assert first is not None
    found.failed(first, due=10.0)
    other = found.next(0)
    assert other is not None and other.position == 3
    found.taken(other)
    assert (found.next(9.9), found.wait_s(9.0)) == (None, 1.0)
    again = found.next(10.0)
    assert again is first


def test_an_endpoint_that_is_down_is_tried_by_its_oldest_alone_and_let_loose_when_it_is_back() -> None:
    found = Window()
    found.add([waiting(n, f"Cart:{n}") for n in range(1, 21)])
    for _ in range(DOWN_AFTER):
        one = found.next(0)
        assert one is not None
        found.failed(one, due=5.0)

    assert found.down and found.next(4.9) is None
    probe = found.next(5.0)
    assert probe is not None and probe.position == 1
    assert found.next(1_000.0) is None, "one at a time"
    assert found.taken(probe)
    rest = [found.next(5.0) for _ in range(19)]
    assert sorted(one.position for one in rest if one) == list(range(2, 21))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=40),
    st.lists(st.tuples(st.booleans(), st.integers(1, 5)), min_size=40, max_size=400),
)
def test_every_delivery_is_taken_once_and_in_order_per_subject(
    subjects: list[int], fates: list[tuple[bool, int]]
) -> None:
    found = Window()
    found.add([waiting(n, f"Cart:{subject}") for n, subject in enumerate(subjects, 1)])
    taken: list[Waiting] = []
    under_way: list[Waiting] = []
    now = 0.0
    for good, step in [*fates, *[(True, 5)] * (4 * len(subjects))]:
        now += step
        while len(under_way) < 3 and (one := found.next(now)) is not None:
            under_way.append(one)
        assert len({one.subject for one in under_way}) == len(under_way)
        if under_way:
            one = under_way.pop(step % len(under_way))
            if good:
                found.taken(one)
                taken.append(one)
            else:
                found.failed(one, due=now + step)

    assert sorted(one.position for one in taken) == list(range(1, len(subjects) + 1))
    for subject in set(subjects):
        positions = [one.position for one in taken if one.subject == f"Cart:{subject}"]
        assert positions == sorted(positions)
    assert len(found) == 0 and not found.failing


def test_pauses_grow_as_said_with_jitter_and_end() -> None:
    pauses = (5.0, 300.0)

    assert retry_policy.pause_s(1, pauses, dice=0.5) == 5
    assert retry_policy.pause_s(2, pauses, dice=0.0) == 240
    assert retry_policy.pause_s(2, pauses, dice=1.0) == 360
    assert retry_policy.pause_s(3, pauses, dice=0.5) is None
    assert retry_policy.pause_s(1, pauses, dice=0.5, asked_s=60) == 60
    assert retry_policy.pause_s(1, pauses, dice=0.5, asked_s=10**9) == 86_400


def test_what_an_answer_asks_for() -> None:
    def asked(said: str) -> float | None:
        return retry_policy.asked_s({"retry-after": said}, NOW)

    assert asked("120") == 120
    assert asked("Mon, 04 May 2026 03:00:30 GMT") == 30
    assert asked("Mon, 04 May 2026 02:00:00 GMT") == 0
    assert [asked(said) for said in ("", "soon", "-5", "１２")] == [None] * 4
    assert [retry_policy.taken(status) for status in (200, 204, 299, 301, 307, 410, 500)] == [True] * 3 + [False] * 4


def row(
    position: int, version: int, *, kind: str = "stock.changed", subject: str = "StockLevel:1:1"
) -> dict[str, object]:
    return {
        "id": position,
        "position": position,
        "type": kind,
        "subject": subject,
        "version": version,
        "at": NOW + timedelta(seconds=position),
        "data": {},
    }


def test_an_endpoint_that_lags_gets_a_levels_newest_state_and_all_else() -> None:
    rows = [
        row(1, 4),
        row(2, 1, kind="order.placed", subject="Order:1"),
        row(3, 5),
        row(4, 1, subject="StockLevel:2:1"),
        row(5, 2, kind="order.completed", subject="Order:1"),
        row(6, 6),
    ]

    late = coalesced(rows, older_than=NOW + timedelta(hours=1))
    assert [(one["position"], first) for one, first in late] == [(2, 1), (4, 1), (5, 2), (6, 4)]
    assert b'"coalesced":{"firstVersion":4,"lastVersion":6}' in body_of(*late[-1])
    assert b"coalesced" not in body_of(*late[0])
    assert coalesced(rows, older_than=NOW) == [(one, one["version"]) for one in rows]


def test_a_window_has_room_for_what_it_says() -> None:
    found = Window()
    found.add([waiting(n, f"Cart:{n}") for n in range(delivery_window.SIZE)])

    assert (found.room, len(found)) == (0, delivery_window.SIZE)
