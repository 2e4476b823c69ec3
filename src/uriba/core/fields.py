"""Rules about which input fields go together."""

from __future__ import annotations

from uriba.core.errors import Invalid


def exactly_one(*path: str | int, **given: object) -> None:
    """Refuse two, or none, of fields that stand for each other; `given` are they, as the API names them.

    Errors: `Invalid`, about the second of two, or about the first that is wanted.
    """
    names = [name for name, value in given.items() if value is not None]
    if len(names) != 1:
        *first, last = given
        at = names[1] if names else next(iter(given))
        raise Invalid(f"Give exactly one of {', '.join(first)} and {last}.", *path, at)
