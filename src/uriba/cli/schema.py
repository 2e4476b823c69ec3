"""`uriba schema`: write the files that describe the API and its events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uriba import __version__
from uriba.cli.options import stderr
from uriba.events import reference_page, schemas


def schema(folder: Annotated[Path, typer.Option(help="The folder to write to.")] = Path("schema")) -> None:
    """Write the API's schema, the schemas of webhooks and events, and docs/events-reference.md beside the folder."""
    from uriba.graphql.schema import sdl

    files = {
        folder / "schema.graphql": sdl(),
        folder / "webhooks.json": schemas.to_text(schemas.webhooks()),
        folder / "asyncapi.json": schemas.to_text(schemas.asyncapi(__version__)),
        folder.parent / "docs" / "events-reference.md": reference_page.page(),
    }
    for path, text in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        stderr.print(f"wrote {path}")
