"""Identifiers: a customer is found by exactly one of loyalty card, e-mail or phone. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from uriba.core import fields, text
from uriba.core.errors import Invalid

FIELDS = {"loyalty_card": "loyaltyCard", "email": "email", "phone": "phone"}
"""The input field of each column, from the strongest identifier to the weakest."""

_PHONE = re.compile(r"\+?[0-9]{5,20}", re.ASCII)
_PHONE_MARKS = str.maketrans("", "", " -().")


@dataclass(frozen=True, slots=True)
class Identifier:
    """One way to find a customer, normalised; `column` names it."""

    column: str
    value: str

    @property
    def field(self) -> str:
        """The input field that it came in."""
        return FIELDS[self.column]


def loyalty_card(value: str, *path: str | int) -> str:
    return text.code(value, *path, "loyaltyCard")


def email(value: str, *path: str | int) -> str:
    """The address in lower case; no look-up of its domain is made."""
    trimmed = text.text(value, *path, "email")
    try:
        found = validate_email(trimmed, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise Invalid("This is no e-mail address.", *path, "email") from error
    return found.normalized.lower()


def phone(value: str, *path: str | int) -> str:
    """Digits, with a leading + where one was given."""
    digits = text.text(value, *path, "phone").translate(_PHONE_MARKS)
    if not _PHONE.fullmatch(digits):
        raise Invalid(
            "This is no phone number: give 5 to 20 digits, with + and country code if you have it.",
            *path,
            "phone",
        )
    return digits


def one_of(*, card: str | None, email_address: str | None, phone_number: str | None) -> Identifier:
    """The one identifier that was given.

    Errors: `Invalid` for two, none, or one that cannot be right.
    """
    fields.exactly_one(loyaltyCard=card, email=email_address, phone=phone_number)
    if card is not None:
        return Identifier("loyalty_card", loyalty_card(card))
    if email_address is not None:
        return Identifier("email", email(email_address))
    assert phone_number is not None
    return Identifier("phone", phone(phone_number))
