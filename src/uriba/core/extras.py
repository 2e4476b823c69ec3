"""Optional parts of the hub: packages that an extra of the installation brings, imported when they are first used.

with extra("documents"):
    from uriba.documents.pdf import render_pdf
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from uriba.core.errors import NotInstalled


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import the packages of an extra within this block. Errors: `NotInstalled` where one of them is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "uriba"):
            raise
        raise NotInstalled(
            f"This needs the package {package}, which is not installed on the hub. Its operator installs it with: "
            f"pip install 'uriba[{name}]'"
        ) from error
