"""Bad input: a stable code, a path and a sentence; and nothing has changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from bad_inputs import CASES, NOWHERE, OF_A_CART, fill

if TYPE_CHECKING:
    from stages import Stage

    from conftest import Unchanged

SENTENCE = re.compile(r"\w.* .*\S\.", re.S)


@pytest.mark.parametrize("name", CASES)
async def test_refuses_with_code_path_and_sentence(stage: Stage, unchanged: Unchanged, name: str) -> None:
    (caller, document, variables), code, paths = CASES[name]

    async with unchanged():
        payload = await stage[caller].do(document, **fill(variables, stage))

    errors = payload.pop("errors")
    assert [(error["code"], ".".join(error["path"])) for error in errors] == [(code, path) for path in paths.split()]
    assert all(SENTENCE.fullmatch(error["message"]) for error in errors), errors
    assert not any(payload.values()), payload


@pytest.mark.parametrize("caller", ["guest", "ken"])
@pytest.mark.parametrize("change", OF_A_CART)
async def test_anothers_cart_is_answered_like_none(
    stage: Stage, unchanged: Unchanged, change: str, caller: str
) -> None:
    client, answers = stage[caller], []

    async with unchanged():
        for cart in (stage.cart("hana"), NOWHERE):
            _, document, variables = OF_A_CART[change](cart)
            answers.append(await client.raw(document, **fill(variables, stage)))

    theirs, nones = answers
    assert theirs == nones
    (payload,) = theirs["data"].values()
    assert payload["errors"]
