"""SQL functions and triggers: one file for each version of each, in a folder of its domain.

`inventory/functions/refuse_stock_v1.sql` is the first version of the function `refuse_stock`. A released file never
changes: a new version is a new file, and a migration applies it. See `docs/migrations.md`.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import uriba

FOLDERS = ("functions", "triggers")

_NAME = re.compile(r"(?P<name>[a-z0-9_]+)_v(?P<version>[1-9][0-9]*)")


@cache
def versions() -> dict[str, dict[int, str]]:
    """Return the SQL of each function and trigger, by name and version; functions first."""
    versions_by_name: dict[str, dict[int, str]] = {}
    for folder in FOLDERS:
        for path in sorted(Path(uriba.__file__).parent.rglob(f"{folder}/*.sql")):
            match = _NAME.fullmatch(path.stem)
            assert match, f"{path} is not named NAME_vVERSION.sql"
            of_name = versions_by_name.setdefault(match["name"], {})
            version = int(match["version"])
            assert version not in of_name, f"there are two files {path.name}"
            of_name[version] = path.read_text(encoding="utf-8")
    return versions_by_name


def newest() -> dict[str, str]:
    """Return the SQL of the newest version of each function and trigger."""
    return {name: of_name[max(of_name)] for name, of_name in versions().items()}
