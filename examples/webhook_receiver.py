"""A receiver of webhooks: it verifies what comes, takes each event once, and keeps the newest of each subject.

    python examples/webhook_receiver.py --secret whsec_… --port 8766

Make the endpoint with `endpointCreate(input: { url: "http://127.0.0.1:8766/hooks" })`: it answers with the secret.
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


class Book:
    """What was taken, on disk: answering 2xx says that it is safe here."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("CREATE TABLE IF NOT EXISTS taken (id TEXT PRIMARY KEY)")
        self._db.execute("CREATE TABLE IF NOT EXISTS subject (id TEXT PRIMARY KEY, version INTEGER, event TEXT)")

    def take(self, event: dict[str, object], body: str) -> bool:
        """Whether it is news. An event that came already, and one older than what is known, changes nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        new = self._db.execute("INSERT INTO taken VALUES (?) ON CONFLICT DO NOTHING", (event["id"],)).rowcount
        self._db.execute(
            "INSERT INTO subject VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET version = excluded.version, "
            "event = excluded.event WHERE subject.version < excluded.version",
            (event["subject"], event["version"], body),
        )
        self._db.execute("COMMIT")
        return bool(new)


def signed(webhooks: list[Webhook], body: str, headers: dict[str, str]) -> bool:
    """Whether one of the secrets says so: while one is rotated, two are valid."""
    for webhook in webhooks:
        with suppress(WebhookVerificationError):
            webhook.verify(body, headers)
            return True
    return False


def receiver(webhooks: list[Webhook], book: Book) -> web.Application:
    """POST /hooks."""

    async def hear(request: web.Request) -> web.Response:
        body = await request.text()
        if not signed(webhooks, body, {name.lower(): value for name, value in request.headers.items()}):
            return web.Response(status=401)
        event = json.loads(body)
        new = book.take(event, body)
        print(json.dumps({"new": new, **event}), flush=True)
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hooks", hear)
    return app


def main(
    secret: Annotated[list[str], typer.Option(help="Again for more.")],
    port: int = 8766,
    book: Path = Path("webhooks.sqlite"),
) -> None:
    """Listen on loopback; every event is a line of JSON."""
    app = receiver([Webhook(one) for one in secret], Book(book))
    web.run_app(app, host="127.0.0.1", port=port, print=None)


if __name__ == "__main__":
    typer.run(main)
