"""Bad input: a stable code, a path and a sentence; and nothing has changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from bad_inputs import CASES, fill

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
