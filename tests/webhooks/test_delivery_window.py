"""The delivery window: in order per subject, whatever fails, also in random runs; the retry policy; coalescing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.random_cases import random_cases
from uriba.outbound import retry_policy
from uriba.webhooks import delivery_window
from uriba.webhooks.coalescing import coalesce, encode_body
from uriba.webhooks.delivery_window import DOWN_AFTER_FAILURES, DeliveryWindow, PendingDelivery

NOW = datetime(2026, 5, 4, 3, 0, tzinfo=UTC)


def pending(position: int, subject: str = "Cart:1", *, attempts: int = 0, due: float = 0.0) -> PendingDelivery:
    return PendingDelivery(position, position, f"e{position}", subject, b"{}", attempts, due)


def test_sends_one_delivery_of_a_subject_at_a_time() -> None:
    window = DeliveryWindow()
    window.add([pending(1), pending(2), pending(3, "Cart:2")])

    first, other = window.start_next(0), window.start_next(0)
    assert first is not None and other is not None
    assert (first.position, other.position, window.start_next(0)) == (1, 3, None)
    window.succeed(first)
    second = window.start_next(0)
    assert second is not None and second.position == 2


def test_a_failed_delivery_delays_only_its_own_subject() -> None:
    window = DeliveryWindow()
    window.add([pending(1), pending(2), pending(3, "Cart:2")])

    first = window.start_next(0)
    assert first is not None
    window.fail(first, due=10.0)
    other = window.start_next(0)
    assert other is not None and other.position == 3
    window.succeed(other)
    assert (window.start_next(9.9), window.wait_s(9.0)) == (None, 1.0)
    again = window.start_next(10.0)
    assert again is first


def test_probes_a_down_endpoint_with_its_oldest_delivery_and_sends_all_when_it_recovers() -> None:
    window = DeliveryWindow()
    window.add([pending(n, f"Cart:{n}") for n in range(1, 21)])
    for _ in range(DOWN_AFTER_FAILURES):
        one = window.start_next(0)
        assert one is not None
        window.fail(one, due=5.0)

    assert window.is_down and window.start_next(4.9) is None
    probe = window.start_next(5.0)
    assert probe is not None and probe.position == 1
    assert window.start_next(1_000.0) is None, "only one probe at a time"
    assert window.succeed(probe)
    rest = [window.start_next(5.0) for _ in range(19)]
    assert sorted(one.position for one in rest if one) == list(range(2, 21))


@settings(max_examples=random_cases(300), deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=40),
    st.lists(st.tuples(st.booleans(), st.integers(1, 5)), min_size=40, max_size=400),
)
def test_every_delivery_succeeds_once_and_in_order_per_subject(
    subjects: list[int], outcomes: list[tuple[bool, int]]
) -> None:
    window = DeliveryWindow()
    window.add([pending(n, f"Cart:{subject}") for n, subject in enumerate(subjects, 1)])
    succeeded: list[PendingDelivery] = []
    in_flight: list[PendingDelivery] = []
    now = 0.0
    for succeeds, step in [*outcomes, *[(True, 5)] * (4 * len(subjects))]:
        now += step
        while len(in_flight) < 3 and (one := window.start_next(now)) is not None:
            in_flight.append(one)
        assert len({one.subject for one in in_flight}) == len(in_flight)
        if in_flight:
            one = in_flight.pop(step % len(in_flight))
            if succeeds:
                window.succeed(one)
                succeeded.append(one)
            else:
                window.fail(one, due=now + step)

    assert sorted(one.position for one in succeeded) == list(range(1, len(subjects) + 1))
    for subject in set(subjects):
        positions = [one.position for one in succeeded if one.subject == f"Cart:{subject}"]
        assert positions == sorted(positions)
    assert len(window) == 0 and not window.is_failing


def test_retry_pauses_have_jitter_respect_retry_after_and_end() -> None:
    pauses = (5.0, 300.0)

    assert retry_policy.retry_pause_s(1, pauses, random_fraction=0.5) == 5
    assert retry_policy.retry_pause_s(2, pauses, random_fraction=0.0) == 240
    assert retry_policy.retry_pause_s(2, pauses, random_fraction=1.0) == 360
    assert retry_policy.retry_pause_s(3, pauses, random_fraction=0.5) is None
    assert retry_policy.retry_pause_s(1, pauses, random_fraction=0.5, retry_after_s=60) == 60
    assert retry_policy.retry_pause_s(1, pauses, random_fraction=0.5, retry_after_s=10**9) == 86_400


def test_reads_retry_after_and_success_statuses() -> None:
    def pause(header: str) -> float | None:
        return retry_policy.retry_after_s({"retry-after": header}, NOW)

    assert pause("120") == 120
    assert pause("Mon, 04 May 2026 03:00:30 GMT") == 30
    assert pause("Mon, 04 May 2026 02:00:00 GMT") == 0
    assert [pause(header) for header in ("", "soon", "-5", "１２")] == [None] * 4
    assert [retry_policy.is_success(status) for status in (200, 204, 299, 301, 307, 410, 500)] == [True] * 3 + [
        False
    ] * 4


def row(
    position: int, version: int, *, type: str = "stock.changed", subject: str = "StockLevel:1:1"
) -> dict[str, object]:
    return {
        "id": position,
        "position": position,
        "type": type,
        "subject": subject,
        "version": version,
        "at": NOW + timedelta(seconds=position),
        "data": {},
    }


def test_coalesces_only_stock_levels_of_a_lagging_endpoint() -> None:
    rows = [
        row(1, 4),
        row(2, 1, type="order.placed", subject="Order:1"),
        row(3, 5),
        row(4, 1, subject="StockLevel:2:1"),
        row(5, 2, type="order.completed", subject="Order:1"),
        row(6, 6),
    ]

    late = coalesce(rows, older_than=NOW + timedelta(hours=1))
    assert [(one["position"], first) for one, first in late] == [(2, 1), (4, 1), (5, 2), (6, 4)]
    assert b'"coalesced":{"firstVersion":4,"lastVersion":6}' in encode_body(*late[-1])
    assert b"coalesced" not in encode_body(*late[0])
    assert coalesce(rows, older_than=NOW) == [(one, one["version"]) for one in rows]


def test_a_full_window_has_no_free_slots() -> None:
    window = DeliveryWindow()
    window.add([pending(n, f"Cart:{n}") for n in range(delivery_window.WINDOW_SIZE)])

    assert (window.free_slots, len(window)) == (0, delivery_window.WINDOW_SIZE)
