"""A reader of the feed that catches up: it keeps a copy of all stock levels, run now and then.

    python examples/feed_reader.py --key urb_app_… --file stock.json

The first time, and whenever the feed no longer has what it would have to read next, it begins with a snapshot; else it
reads on from its cursor. What happened while the snapshot was read comes again as events: each has the whole state, so
that at the end the newest is right.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

FEED_END = "{ feed { end } }"
LEVELS = """query ($after: String) { stockLevels(first: 100, after: $after) {
    edges { node { id variant { id } location { id } onHand available } } pageInfo { hasNextPage endCursor } } }"""
EVENTS = """query ($after: String!) { events(after: $after, first: 100, types: ["stock.changed"]) {
    edges { node { subject version data } } pageInfo { hasNextPage endCursor } } }"""

KEPT = ("variant", "location", "onHand", "available")

Copy = dict[str, Any]


class Refused(Exception):
    """The hub's answer has errors; `codes` are theirs."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(json.dumps(errors))
        self.codes = {error.get("extensions", {}).get("code") for error in errors}


class Hub:
    """Asks the hub."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._http = httpx.Client(headers={"authorization": f"Bearer {key}"}, timeout=30)

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Errors: `Refused`."""
        body = self._http.post(self._url, json={"query": query, "variables": variables}).json()
        if "errors" in body:
            raise Refused(body["errors"])
        found: dict[str, Any] = body["data"]
        return found


def snapshot(hub: Hub) -> Copy:
    """All levels as they are. The cursor is from before: what happens meanwhile comes again as an event."""
    cursor, after, levels = hub.ask(FEED_END)["feed"]["end"], None, {}
    while True:
        page = hub.ask(LEVELS, after=after)["stockLevels"]
        for edge in page["edges"]:
            node = edge["node"]
            levels[node["id"]] = {
                "variant": node["variant"]["id"],
                "location": node["location"]["id"],
                "onHand": node["onHand"],
                "available": node["available"],
                "version": 0,
            }
        if not page["pageInfo"]["hasNextPage"]:
            return {"cursor": cursor, "levels": levels}
        after = page["pageInfo"]["endCursor"]


def catch_up(hub: Hub, copy: Copy) -> int:
    """Read on to the feed's end; how many events that were. Errors: `Refused`, with CURSOR_EXPIRED."""
    count, more = 0, True
    while more:
        page = hub.ask(EVENTS, after=copy["cursor"])["events"]
        for edge in page["edges"]:
            _apply(copy["levels"].setdefault(edge["node"]["subject"], {"version": 0}), edge["node"])
        count += len(page["edges"])
        copy["cursor"], more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    return count


def _apply(level: dict[str, Any], event: dict[str, Any]) -> None:
    """An event has the whole state: the newest one is right."""
    if event["version"] > level["version"]:
        level |= {name: event["data"][name] for name in KEPT}
        level["version"] = event["version"]


def main(
    key: Annotated[str, typer.Option(help="An app's, with the scope inventory, or staff's.")],
    file: Path = Path("stock.json"),
    url: str = "http://127.0.0.1:8765/graphql",
) -> None:
    """Bring the copy up to date, and say how."""
    hub = Hub(url, key)
    copy = json.loads(file.read_text()) if file.exists() else None
    began = "read on"
    try:
        count = catch_up(hub, copy) if copy else 0
    except Refused as refused:
        if "CURSOR_EXPIRED" not in refused.codes:
            raise
        copy = None
    if copy is None:
        began, copy = "snapshot", snapshot(hub)
        count = catch_up(hub, copy)
    beside = file.with_suffix(".part")
    beside.write_text(json.dumps(copy))
    beside.replace(file)
    print(json.dumps({"began": began, "events": count, "levels": len(copy["levels"])}))


if __name__ == "__main__":
    typer.run(main)
