"""The tills of a replay: one a store, the same ones when it is run again.

An event is taken once of each till, so what is sent again must come from the same tills: their keys are kept in the
data dir, readable by its owner only. A hub that has sold already, or has replayed something else, is left alone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from uriba.access import keys
from uriba.db import Database, Session
from uriba.sources.replay.errors import ReplayRefused

KEYS_FILE = "complete-journey-tills.json"


class SavedKeys(msgspec.Struct, frozen=True):
    """What the file holds: what is replayed, in words, and each store's key."""

    replayed: str
    keys: dict[str, str]


async def load_or_issue_keys(
    database: Database, folder: Path, *, replayed: str, stores: Sequence[str]
) -> dict[str, str]:
    """The key of each store's till, issued where this hub has none of them yet.

    Errors: `ReplayRefused` where the hub has sold something else.
    """
    path = folder / KEYS_FILE
    kept = msgspec.json.decode(path.read_bytes(), type=SavedKeys) if path.exists() else None
    async with database.transaction() as session:
        if kept is not None and await _stand(session, kept):
            if kept.replayed != replayed:
                raise ReplayRefused(f"This hub has replayed {kept.replayed}: {replayed} needs a hub of its own.")
            return kept.keys
        if await session.fetchval("SELECT EXISTS (SELECT FROM orders)"):
            raise ReplayRefused("This hub has sold already: a replay needs a hub of its own, see --data-dir.")
        name = "Complete Journey till at {}"
        made = {code: (await keys.for_terminal(session, location=code, name=name.format(code))).key for code in stores}
        # Before the commit: keys that nobody can use are none, but tills whose keys are lost could not go on.
        _keep(path, SavedKeys(replayed, made))
    return made


async def _stand(session: Session, kept: SavedKeys) -> bool:
    """Whether this hub knows the keys. Errors: `ReplayRefused` where one was revoked."""
    ours = {key.split("_")[2] for key in kept.keys.values()}
    known = [row for row in await keys.all_keys(session) if row["id"] in ours]
    if any(row["revoked_at"] is not None for row in known):
        raise ReplayRefused("A key of the replay's tills was revoked: a replay needs a hub of its own, see --data-dir.")
    return bool(known)


def _keep(path: Path, kept: SavedKeys) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(kept))
