"""Identifiers of customers: loyalty card, e-mail address and phone number, normalized."""

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
    """A normalized identifier. `column`: the kind."""

    column: str
    value: str

    @property
    def field(self) -> str:
        """The input field of this kind."""
        return FIELDS[self.column]


def loyalty_card(value: str, *path: str | int) -> str:
    """Return a loyalty card's number. Errors: `Invalid`."""
    return text.code(value, *path, "loyaltyCard")


def email(value: str, *path: str | int) -> str:
    """Return an e-mail address in lower case, without checking its domain. Errors: `Invalid`."""
    trimmed = text.text(value, *path, "email")
    try:
        address = validate_email(trimmed, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise Invalid("This is not an e-mail address.", *path, "email") from error
    return address.normalized.lower()


def phone(value: str, *path: str | int) -> str:
    """Return the digits of a phone number, with a leading + if there was one. Errors: `Invalid`."""
    digits = text.text(value, *path, "phone").translate(_PHONE_MARKS)
    if not _PHONE.fullmatch(digits):
        raise Invalid(
            "This is not a phone number. Give 5 to 20 digits, with + and the country code if you know it.",
            *path,
            "phone",
        )
    return digits


def one_of(*, card: str | None, email_address: str | None, phone_number: str | None) -> Identifier:
    """Return the identifier that was given.

    Errors: `Invalid` for several, none, or a malformed one.
    """
    fields.exactly_one(loyaltyCard=card, email=email_address, phone=phone_number)
    if card is not None:
        return Identifier("loyalty_card", loyalty_card(card))
    if email_address is not None:
        return Identifier("email", email(email_address))
    assert phone_number is not None
    return Identifier("phone", phone(phone_number))
