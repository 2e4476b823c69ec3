"""Japanese registration numbers: format, check digit and warnings."""

from __future__ import annotations

import pytest

from uriba.documents import japan_registration


@pytest.mark.parametrize(
    "written",
    ["T7000012050002", "t7000012050002", " T 7000-0120-50002 ", "T7-0000-1205-0002", "Ｔ７０００012050002"],
)
def test_normalizes_a_number(written: str) -> None:
    assert japan_registration.normalize(written) == "T7000012050002"


@pytest.mark.parametrize(
    "written", [None, "", "T", "7000012050002", "T700001205000", "T70000120500022", "X7000012050002", "T700001205000Z"]
)
def test_rejects_other_formats(written: str | None) -> None:
    assert japan_registration.normalize(written) is None


@pytest.mark.parametrize("number", ["T7000012050002", "T1180301018771", "T4011001098993", "T2120901007402"])
def test_accepts_the_check_digit_of_real_corporate_numbers(number: str) -> None:
    assert japan_registration.has_corporate_check_digit(number)
    assert japan_registration.warnings(number) == ()


def test_finds_a_single_wrong_digit() -> None:
    number = "T7000012050002"
    for at in range(1, 14):
        for digit in "0123456789":
            # 0 and 9 have the same remainder by 9.
            if digit != number[at] and {digit, number[at]} != {"0", "9"}:
                assert not japan_registration.has_corporate_check_digit(number[:at] + digit + number[at + 1 :])


def test_warns_of_a_wrong_check_digit_and_of_a_wrong_format() -> None:
    (digit,), (format_,) = japan_registration.warnings("T7000012050003"), japan_registration.warnings("GB 123")

    assert "check digit" in digit
    assert "13 digits" in format_
    assert japan_registration.warnings(None) == ()
