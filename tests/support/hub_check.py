"""Checks of all data of a hub: its invariants, and its events against their schemas."""

from __future__ import annotations

from tests.support.event_conformity import ConformityCheck
from uriba import invariants
from uriba.db import Database


class HubCheck:
    """Finds what is wrong since the last check, so that a violation is reported once, by the module that caused it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._conformity = ConformityCheck(database)
        self._known: dict[str, int] = {}

    async def check(self, place: str) -> None:
        """Fail with the violated invariants and examples of their rows. `place`: the module, or the end of the run."""
        findings = await invariants.check(self._database)
        violated = [
            f"{finding.invariant.name}: {finding.rows} rows, such as {finding.examples}"
            for finding in findings
            if finding.rows > self._known.get(finding.invariant.name, 0)
        ]
        self._known = {finding.invariant.name: finding.rows for finding in findings}
        assert not violated, f"After {place}, invariants are violated: {'; '.join(violated)}"
        wrong = await self._conformity.check_new_events()
        assert not wrong, f"After {place}, events differ from their schemas: {wrong}"
