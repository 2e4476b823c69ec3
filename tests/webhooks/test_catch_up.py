"""The catch-up pause: endpoints that catch up let those that keep up go first."""

from __future__ import annotations

from uuid import UUID

import pytest

from uriba.webhooks.catch_up import RECENT_S, SLOT_INTERVAL_S, SLOT_S, CatchUpPause

ONE, OTHER, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)

SLOT_START = 40 * SLOT_INTERVAL_S
OUTSIDE_SLOT = SLOT_START + 2 * SLOT_S


def test_does_not_pause_when_no_other_endpoint_sends() -> None:
    catch_up = CatchUpPause()
    catch_up.record_delivery(ONE, OUTSIDE_SLOT)

    assert catch_up.pause_s(ONE, OUTSIDE_SLOT) == 0


def test_pauses_while_others_sent_recently() -> None:
    catch_up = CatchUpPause()
    catch_up.record_delivery(OTHER, OUTSIDE_SLOT)
    catch_up.record_delivery(ONE, OUTSIDE_SLOT + 0.1)

    assert catch_up.pause_s(ONE, OUTSIDE_SLOT) == pytest.approx(SLOT_START + SLOT_INTERVAL_S - OUTSIDE_SLOT)
    assert catch_up.pause_s(ONE, OUTSIDE_SLOT + RECENT_S - 0.01) > 0
    assert catch_up.pause_s(ONE, OUTSIDE_SLOT + RECENT_S + 0.01) == 0


def test_all_that_catch_up_share_the_same_slot() -> None:
    catch_up = CatchUpPause()
    catch_up.record_delivery(OTHER, SLOT_START)

    for endpoint in (ONE, THIRD):
        slots = [
            n for n in range(1_000) if not catch_up.pause_s(endpoint, SLOT_START + (n + 0.5) * SLOT_INTERVAL_S / 250)
        ]
        assert slots == [n for n in range(1_000) if (n % 250 + 0.5) / 250 < SLOT_S / SLOT_INTERVAL_S]


def test_a_pause_ends_inside_a_slot() -> None:
    catch_up = CatchUpPause()
    catch_up.record_delivery(OTHER, SLOT_START)

    for n in range(1, 200):
        now = SLOT_START + n / 200 * SLOT_INTERVAL_S
        assert catch_up.pause_s(ONE, now + catch_up.pause_s(ONE, now) + 1e-9) == 0


def test_the_latest_delivery_counts_and_removed_endpoints_do_not() -> None:
    catch_up = CatchUpPause()
    catch_up.record_delivery(OTHER, OUTSIDE_SLOT)
    catch_up.record_delivery(THIRD, OUTSIDE_SLOT + 0.5)
    catch_up.record_delivery(OTHER, OUTSIDE_SLOT + 2.0)
    catch_up.forget(THIRD)

    assert catch_up.pause_s(ONE, OUTSIDE_SLOT + 2.9) > 0
    catch_up.forget(OTHER)
    assert catch_up.pause_s(ONE, OUTSIDE_SLOT + 2.9) == 0
