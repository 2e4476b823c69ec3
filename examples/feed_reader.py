"""A reader of the feed in pages: each run brings its copy of all stock levels up to date.

    python examples/feed_reader.py --key uriba_app_… --file stock.json

The first run, and a run whose cursor is too old for the feed, starts with a snapshot. Every other run reads the events
after its cursor. Events that happen while the snapshot is read are read again from the feed; because each event has the
whole state of its level, the newest version is right.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

FEED_END_QUERY = "{ feed { end } }"
LEVELS_QUERY = """query ($after: String) { stockLevels(first: 100, after: $after) {
    edges { node { id variant { id } location { id } onHand available } } pageInfo { hasNextPage endCursor } } }"""
EVENTS_QUERY = """query ($after: String!) { events(after: $after, first: 100, types: ["stock.changed"]) {
    edges { node { subject version data } } pageInfo { hasNextPage endCursor } } }"""

COPIED_FIELDS = ("variant", "location", "onHand", "available")

StockCopy = dict[str, Any]
"""`cursor`, and `levels` by id."""


class HubError(Exception):
    """The hub's answer has errors; `codes` are their codes."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(json.dumps(errors))
        self.codes = {error.get("extensions", {}).get("code") for error in errors}


class HubClient:
    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._http = httpx.Client(headers={"authorization": f"Bearer {key}"}, timeout=30)

    def execute(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return the data of a query. Errors: `HubError`."""
        body = self._http.post(self._url, json={"query": query, "variables": variables}).json()
        if "errors" in body:
            raise HubError(body["errors"])
        data: dict[str, Any] = body["data"]
        return data


def read_snapshot(hub: HubClient) -> StockCopy:
    """Read all levels. The cursor is from before, so that events from meanwhile are read again."""
    cursor, after, levels = hub.execute(FEED_END_QUERY)["feed"]["end"], None, {}
    while True:
        page = hub.execute(LEVELS_QUERY, after=after)["stockLevels"]
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


def catch_up(hub: HubClient, copy: StockCopy) -> int:
    """Apply the events up to the feed's end, and return their number. Errors: `HubError`, with CURSOR_EXPIRED."""
    count, more = 0, True
    while more:
        page = hub.execute(EVENTS_QUERY, after=copy["cursor"])["events"]
        for edge in page["edges"]:
            _apply(copy["levels"].setdefault(edge["node"]["subject"], {"version": 0}), edge["node"])
        count += len(page["edges"])
        copy["cursor"], more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    return count


def _apply(level: dict[str, Any], event: dict[str, Any]) -> None:
    """Replace the level's state if the event is newer."""
    if event["version"] > level["version"]:
        level |= {name: event["data"][name] for name in COPIED_FIELDS}
        level["version"] = event["version"]


def main(
    key: Annotated[str, typer.Option(help="A key of an app with the scope inventory, or of staff.")],
    file: Path = Path("stock.json"),
    url: str = "http://127.0.0.1:8000/graphql",
) -> None:
    """Bring the copy up to date, and print what was done."""
    hub = HubClient(url, key)
    copy = json.loads(file.read_text()) if file.exists() else None
    started_from = "cursor"
    try:
        count = catch_up(hub, copy) if copy else 0
    except HubError as error:
        if "CURSOR_EXPIRED" not in error.codes:
            raise
        copy = None
    if copy is None:
        started_from, copy = "snapshot", read_snapshot(hub)
        count = catch_up(hub, copy)
    temporary = file.with_suffix(".part")
    temporary.write_text(json.dumps(copy))
    temporary.replace(file)
    print(json.dumps({"started_from": started_from, "events": count, "levels": len(copy["levels"])}))


if __name__ == "__main__":
    typer.run(main)
