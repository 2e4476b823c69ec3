"""Schedules of a replay: orderly and chaotic ones send every event."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from uriba.sources.replay import schedule
from uriba.sources.replay.schedule import BATCH_EVENTS, CLOCK_OFFSET_S, DAY_S, Schedule

TILLS = [range(1), range(1, 1_300), *(range(start, start + 700) for start in range(1_300, 71_300, 700))]
SECONDS = [order * DAY_S // 12 for own in TILLS for order in range(len(own))]


def sent_by(plan: Schedule, till: int) -> list[list[int]]:
    return [list(batch.baskets) for batch in plan.batches if batch.till == till]


@pytest.fixture(scope="module")
def chaos() -> Schedule:
    return schedule.chaotic(TILLS, SECONDS, seed=7)


def test_an_orderly_schedule_sends_each_event_once_in_order_in_full_batches() -> None:
    plan = schedule.orderly(TILLS, SECONDS)

    for till, own in enumerate(TILLS):
        batches = sent_by(plan, till)
        assert sorted(basket for batch in batches for basket in batch) == list(own)
        assert all(one == sorted(one) for one in batches)
        assert all(len(batch) == BATCH_EVENTS for batch in sorted(batches)[:-1])
    assert all(one.due_s <= later.due_s for one, later in pairwise(plan.batches))
    assert plan.clock_offsets_s == [0] * len(TILLS)
    assert plan.events == TILLS[-1].stop


def test_a_chaotic_schedule_sends_every_event_and_a_fifth_of_them_twice(chaos: Schedule) -> None:
    times = Counter(basket for batch in chaos.batches for basket in batch.baskets)

    assert set(times) == set(range(TILLS[-1].stop))
    assert set(times.values()) == {1, 2}
    assert sum(count == 2 for count in times.values()) == pytest.approx(0.2 * len(times), rel=0.05)
    assert all(basket in TILLS[batch.till] for batch in chaos.batches for basket in batch.baskets)
    assert all(len(batch.baskets) <= BATCH_EVENTS for batch in chaos.batches)


def test_a_chaotic_schedule_shuffles_batches(chaos: Schedule) -> None:
    batches = [list(batch.baskets) for batch in chaos.batches if len(batch.baskets) > 5]

    assert all(batch != sorted(batch) for batch in batches)


def test_a_chaotic_schedule_delays_batches_of_some_tills_behind_later_ones(chaos: Schedule) -> None:
    # Events are repeated in later batches only, so the newest event of a batch is its own.
    newest = [[max(batch) for batch in sent_by(chaos, till)] for till in range(len(TILLS))]

    overtaken = [till for till in newest if till != sorted(till)]

    assert len(TILLS) / 6 < len(overtaken) < len(TILLS) / 2


def test_a_chaotic_schedule_sets_some_clocks_wrong(chaos: Schedule) -> None:
    wrong = [clock for clock in chaos.clock_offsets_s if clock]

    assert 0 < len(wrong) < len(TILLS)
    assert all(CLOCK_OFFSET_S[0] <= abs(clock) <= CLOCK_OFFSET_S[1] for clock in wrong)
    assert min(wrong) < 0 < max(wrong)


def test_a_seed_gives_the_same_chaotic_schedule(chaos: Schedule) -> None:
    assert schedule.chaotic(TILLS, SECONDS, seed=7) == chaos
    assert schedule.chaotic(TILLS, SECONDS, seed=8) != chaos
