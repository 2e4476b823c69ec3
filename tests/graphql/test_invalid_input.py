"""Invalid input is answered with a stable code, a path and a message, and changes nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.invalid_inputs import CASES, OF_A_CART, UNKNOWN_CART, fill

if TYPE_CHECKING:
    from tests.support.api_scenario import Scenario
    from tests.support.table_rows import Unchanged

MESSAGE = re.compile(r"\w.* .*\S\.", re.S)


@pytest.mark.parametrize("name", CASES)
async def test_refuses_with_code_path_and_message(scenario: Scenario, unchanged: Unchanged, name: str) -> None:
    (caller, document, variables), code, paths = CASES[name]

    async with unchanged():
        payload = await scenario[caller].mutate(document, **fill(variables, scenario))

    errors = payload.pop("errors")
    assert [(error["code"], ".".join(error["path"])) for error in errors] == [(code, path) for path in paths.split()]
    assert all(MESSAGE.fullmatch(error["message"]) for error in errors), errors
    assert not any(payload.values()), payload


@pytest.mark.parametrize("caller", ["guest", "ken"])
@pytest.mark.parametrize("change", OF_A_CART)
async def test_another_customers_cart_is_answered_like_an_unknown_one(
    scenario: Scenario, unchanged: Unchanged, change: str, caller: str
) -> None:
    client, answers = scenario[caller], []

    async with unchanged():
        for cart in (scenario.cart_id("hana"), UNKNOWN_CART):
            _, document, variables = OF_A_CART[change](cart)
            answers.append(await client.post(document, **fill(variables, scenario)))

    theirs, nones = answers
    assert theirs == nones
    (payload,) = theirs["data"].values()
    assert payload["errors"]
