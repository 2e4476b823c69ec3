"""Who sends what when: all of it on a calm day, all of it in chaos."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from uriba.sources.replay import schedule
from uriba.sources.replay.schedule import BATCH_EVENTS, CLOCK_OFF_S, DAY_S, Schedule

TILLS = [range(1), range(1, 1_300), *(range(start, start + 700) for start in range(1_300, 71_300, 700))]
SECONDS = [order * DAY_S // 12 for own in TILLS for order in range(len(own))]


def sent_by(plan: Schedule, till: int) -> list[list[int]]:
    return [list(delivery.places) for delivery in plan.deliveries if delivery.till == till]


@pytest.fixture(scope="module")
def chaos() -> Schedule:
    return schedule.chaotic(TILLS, SECONDS, seed=7)


def test_a_calm_year_is_sent_once_in_order_in_full_batches() -> None:
    plan = schedule.orderly(TILLS, SECONDS)

    for till, own in enumerate(TILLS):
        batches = sent_by(plan, till)
        assert sorted(place for batch in batches for place in batch) == list(own)
        assert all(one == sorted(one) for one in batches)
        assert all(len(batch) == BATCH_EVENTS for batch in sorted(batches)[:-1])
    assert all(one.due_s <= later.due_s for one, later in pairwise(plan.deliveries))
    assert plan.clocks_s == [0] * len(TILLS)
    assert plan.events == TILLS[-1].stop


def test_chaos_sends_everything_and_a_fifth_of_it_twice(chaos: Schedule) -> None:
    times = Counter(place for delivery in chaos.deliveries for place in delivery.places)

    assert set(times) == set(range(TILLS[-1].stop))
    assert set(times.values()) == {1, 2}
    assert sum(count == 2 for count in times.values()) == pytest.approx(0.2 * len(times), rel=0.05)
    assert all(place in TILLS[delivery.till] for delivery in chaos.deliveries for place in delivery.places)
    assert all(len(delivery.places) <= BATCH_EVENTS for delivery in chaos.deliveries)


def test_chaos_shuffles_batches(chaos: Schedule) -> None:
    batches = [list(delivery.places) for delivery in chaos.deliveries if len(delivery.places) > 5]

    assert all(batch != sorted(batch) for batch in batches)


def test_chaos_keeps_some_tills_offline_until_later_batches_have_come(chaos: Schedule) -> None:
    # What is sent twice is sent later, so the newest of a batch is its own.
    newest = [[max(batch) for batch in sent_by(chaos, till)] for till in range(len(TILLS))]

    overtaken = [till for till in newest if till != sorted(till)]

    assert len(TILLS) / 6 < len(overtaken) < len(TILLS) / 2


def test_chaos_sets_some_clocks_wrong(chaos: Schedule) -> None:
    wrong = [clock for clock in chaos.clocks_s if clock]

    assert 0 < len(wrong) < len(TILLS)
    assert all(CLOCK_OFF_S[0] <= abs(clock) <= CLOCK_OFF_S[1] for clock in wrong)
    assert min(wrong) < 0 < max(wrong)


def test_a_seed_is_one_chaos(chaos: Schedule) -> None:
    assert schedule.chaotic(TILLS, SECONDS, seed=7) == chaos
    assert schedule.chaotic(TILLS, SECONDS, seed=8) != chaos
