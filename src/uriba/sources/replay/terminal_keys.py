"""The terminal keys of a replay's tills: one till for each store, the same ones when the replay is run again.

The hub applies an event once for each till, so repeated events must come from the same tills. Their keys are saved in
the data directory, readable by its owner only. A hub with orders of its own, or with another replay, is refused.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from uriba.access import keys
from uriba.db import Database, Session
from uriba.db.statements import statement
from uriba.sources.replay.errors import ReplayRefused

KEYS_FILE = "complete-journey-tills.json"
_HAS_ORDERS = statement("SELECT EXISTS (SELECT FROM orders)")


class SavedKeys(msgspec.Struct, frozen=True):
    """The content of the file: the name of the replay, and each store's key."""

    replayed: str
    keys: dict[str, str]


async def load_or_issue_keys(
    database: Database, folder: Path, *, replay_name: str, stores: Sequence[str]
) -> dict[str, str]:
    """Return the key of each store's till; issue them if this hub has none of them yet.

    Errors: `ReplayRefused` if the hub has other orders or another replay.
    """
    path = folder / KEYS_FILE
    saved = msgspec.json.decode(path.read_bytes(), type=SavedKeys) if path.exists() else None
    async with database.transaction() as session:
        if saved is not None and await _are_valid(session, saved):
            if saved.replayed != replay_name:
                raise ReplayRefused(
                    f"This hub has replayed {saved.replayed}; {replay_name} needs a hub of its own, see --data-dir."
                )
            return saved.keys
        if await session.fetchval(_HAS_ORDERS):
            raise ReplayRefused("This hub has orders already; a replay needs a hub of its own, see --data-dir.")
        name = "Complete Journey till at {}"
        issued = {
            code: (await keys.for_terminal(session, location=code, name=name.format(code))).key for code in stores
        }
        # Saved before the commit: keys that were not committed do no harm, but lost keys would end the replay.
        _save(path, SavedKeys(replay_name, issued))
    return issued


async def _are_valid(session: Session, saved: SavedKeys) -> bool:
    """Whether this hub has the keys. Errors: `ReplayRefused` if one was revoked."""
    key_ids = {key.split("_")[2] for key in saved.keys.values()}
    rows = [row for row in await keys.all_keys(session) if row["id"] in key_ids]
    if any(row["revoked_at"] is not None for row in rows):
        raise ReplayRefused(
            "A key of the replay's tills was revoked; the replay needs a hub of its own, see --data-dir."
        )
    return bool(rows)


def _save(path: Path, keys: SavedKeys) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(keys))
