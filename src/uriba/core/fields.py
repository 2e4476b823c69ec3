"""Rules about combinations of input fields."""

from __future__ import annotations

from uriba.core.errors import Invalid


def exactly_one(*path: str | int, **alternatives: object) -> None:
    """Check that exactly one of several alternative fields has a value. `given`: the fields by their API names.

    Errors: `Invalid`, with the path of the second one given, or of the first alternative where none is given.
    """
    names = [name for name, value in alternatives.items() if value is not None]
    if len(names) != 1:
        *first, last = alternatives
        at = names[1] if names else next(iter(alternatives))
        raise Invalid(f"Give exactly one of {', '.join(first)} and {last}.", *path, at)
