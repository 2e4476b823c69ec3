"""Registration numbers: T, 13 digits, and what is told of a check digit that is not a company's."""

from __future__ import annotations

import pytest

from uriba.documents import japan_registration


@pytest.mark.parametrize(
    "written",
    ["T7000012050002", "t7000012050002", " T 7000-0120-50002 ", "T7-0000-1205-0002", "Ｔ７０００012050002"],
)
def test_a_number_is_printed_in_one_way(written: str) -> None:
    assert japan_registration.normalize(written) == "T7000012050002"


@pytest.mark.parametrize(
    "written", [None, "", "T", "7000012050002", "T700001205000", "T70000120500022", "X7000012050002", "T700001205000Z"]
)
def test_what_is_no_number_is_none(written: str | None) -> None:
    assert japan_registration.normalize(written) is None


@pytest.mark.parametrize("number", ["T7000012050002", "T1180301018771", "T4011001098993", "T2120901007402"])
def test_real_corporate_numbers_have_their_check_digit(number: str) -> None:
    assert japan_registration.has_corporate_check_digit(number)
    assert japan_registration.warnings(number) == ()


def test_one_digit_that_is_wrong_is_found() -> None:
    number = "T7000012050002"
    for at in range(1, 14):
        for digit in "0123456789":
            # 0 and 9 are the same to a remainder by 9.
            if digit != number[at] and {digit, number[at]} != {"0", "9"}:
                assert not japan_registration.has_corporate_check_digit(number[:at] + digit + number[at + 1 :])


def test_a_wrong_check_digit_is_told_and_a_wrong_shape_too() -> None:
    (digit,), (shape,) = japan_registration.warnings("T7000012050003"), japan_registration.warnings("GB 123")

    assert "check digit" in digit
    assert "13 digits" in shape
    assert japan_registration.warnings(None) == ()
