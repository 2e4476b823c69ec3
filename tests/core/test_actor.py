"""Actors: the scope of idempotency keys, and the labels that ledgers store."""

from __future__ import annotations

from uuid import uuid4

import pytest

from uriba.core.actor import SYSTEM, TRUSTED, Actor, Role


def test_idempotency_keys_are_scoped_by_caller() -> None:
    customer = uuid4()
    callers = [
        Actor(Role.ANONYMOUS, address="10.0.0.1"),
        Actor(Role.ANONYMOUS, address="10.0.0.2"),
        Actor(Role.CUSTOMER, key_id="1", customer_id=customer),
        Actor(Role.CUSTOMER, key_id="1", customer_id=uuid4()),
        Actor(Role.TERMINAL, key_id="1"),
        Actor(Role.TERMINAL, key_id="2"),
        Actor(Role.STAFF, key_id="1"),
    ]

    assert len({actor.caller for actor in callers}) == len(callers)


def test_a_customer_keeps_idempotency_keys_across_tokens() -> None:
    customer = uuid4()

    tokens = [Actor(Role.CUSTOMER, key_id=key, customer_id=customer) for key in ("1", "2")]

    assert tokens[0].caller == tokens[1].caller


@pytest.mark.parametrize("role", list(Role))
def test_labels_name_only_the_retailers_own_callers(role: Role) -> None:
    actor = Actor(role, key_id="k1", customer_id=uuid4(), address="10.0.0.1", name="Hana")

    assert actor.label == (f"{role.lower()}:k1" if role in TRUSTED else role.lower())
    assert "Hana" not in actor.label and str(actor.customer_id) not in actor.label


def test_the_hub_itself_works_here() -> None:
    assert SYSTEM.works_here
    assert SYSTEM.label == "system:hub"


def test_an_app_is_restricted_to_its_channel_and_staff_to_none() -> None:
    app = Actor(Role.APP, key_id="1", channel_id=7)

    assert app.restricted_to_channel == 7
    assert Actor(Role.STAFF, key_id="2").restricted_to_channel is None
    assert SYSTEM.restricted_to_channel is None
