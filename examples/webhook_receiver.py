"""A webhook receiver: it verifies signatures, stores each event once, and keeps the newest event of each subject.

    python examples/webhook_receiver.py --secret whsec_… --port 8766

Create the endpoint with `endpointCreate(input: { url: "http://127.0.0.1:8766/hooks" })`; its answer has the secret.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError


class EventStore:
    """The received events on disk. An answer of 2xx promises the hub that the event is stored."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("CREATE TABLE IF NOT EXISTS received (id TEXT PRIMARY KEY)")
        self._db.execute("CREATE TABLE IF NOT EXISTS subject (id TEXT PRIMARY KEY, version INTEGER, event TEXT)")

    def add(self, event: dict[str, object], body: str) -> bool:
        """Store an event, and return whether it is new. A duplicate or an older version changes nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        inserted = self._db.execute("INSERT INTO received VALUES (?) ON CONFLICT DO NOTHING", (event["id"],)).rowcount
        self._db.execute(
            "INSERT INTO subject VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET version = excluded.version, "
            "event = excluded.event WHERE subject.version < excluded.version",
            (event["subject"], event["version"], body),
        )
        self._db.execute("COMMIT")
        return bool(inserted)


def is_signed(webhooks: list[Webhook], body: str, headers: dict[str, str]) -> bool:
    """Return whether the signature matches one of the secrets. During a rotation two secrets are valid."""
    for webhook in webhooks:
        with suppress(WebhookVerificationError):
            webhook.verify(body, headers)
            return True
    return False


def make_app(webhooks: list[Webhook], store: EventStore) -> web.Application:
    """Return an application that receives webhooks at POST /hooks."""

    async def receive(request: web.Request) -> web.Response:
        body = await request.text()
        if not is_signed(webhooks, body, {name.lower(): value for name, value in request.headers.items()}):
            return web.Response(status=401)
        event = json.loads(body)
        new = store.add(event, body)
        print(json.dumps({"new": new, **event}), flush=True)
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hooks", receive)
    return app


def main(
    secret: Annotated[list[str], typer.Option(help="The endpoint's secret; repeat the option during a rotation.")],
    port: int = 8766,
    store: Annotated[Path, typer.Option(help="The SQLite file of the events.")] = Path("webhooks.sqlite"),
) -> None:
    """Receive webhooks on the loopback address, and print each event as a line of JSON."""
    app = make_app([Webhook(value) for value in secret], EventStore(store))
    web.run_app(app, host="127.0.0.1", port=port, print=None)


if __name__ == "__main__":
    typer.run(main)
