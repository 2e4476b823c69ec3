"""Pages for the files and folders that the docs link to, such as `../src/uriba/cart/lines.py`.

On a code-hosting site such a link shows the file. In the built site it would be a download; this extension shows the
file as a page, and a folder as a list of its files. A link to a file that does not exist is reported by MyST.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

FOLDER = "source"
FILE_BYTES_MAX = 400_000

LANGUAGES: dict[str, str] = {
    ".py": "python",
    ".graphql": "graphql",
    ".json": "json",
    ".toml": "toml",
    ".yaml": "yaml",
    ".sql": "postgresql",
    "Makefile": "make",
    "Dockerfile": "docker",
}


class SourceLink(nodes.reference):
    """A link to a file or a folder of the repository that is no page; `path` is relative to the repository."""


class FindSourceLinks(SphinxTransform):
    """Replaces the nodes that MyST makes of such links."""

    default_priority = 10

    def apply(self, **_: Any) -> None:
        links = list(self.document.findall(addnodes.download_reference))
        links += [
            xref
            for xref in self.document.findall(addnodes.pending_xref)
            if xref["refdomain"] is None and self._path(xref).is_dir()
        ]
        for link in links:
            path = self._path(link).relative_to(self.env.srcdir).as_posix()
            link.replace_self(SourceLink("", "", *link.children, path=path))

    def _path(self, link: nodes.Element) -> Path:
        return Path(self.env.relfn2path(link["reftarget"].partition("#")[0], self.env.docname)[1])


class ResolveSourceLinks(SphinxPostTransform):
    """Gives the links their addresses, and notes which pages have to be made."""

    default_priority = 10
    formats: ClassVar[tuple[str, ...]] = ("html",)

    def run(self, **_: Any) -> None:
        for link in list(self.document.findall(SourceLink)):
            _linked(self.app).add(link["path"])
            uri = self.app.builder.get_relative_uri(self.env.docname, f"{FOLDER}/{link['path']}")
            link.replace_self(nodes.reference("", "", *link.children, refuri=uri, internal=True))


def _linked(app: Sphinx) -> set[str]:
    return app.__dict__.setdefault("linked_sources", set())  # type: ignore[no-any-return]


def collect_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield a page for each linked file and folder."""
    if not isinstance(app.builder, StandaloneHTMLBuilder):
        return
    for path in sorted(_linked(app)):
        file = Path(app.srcdir) / path
        body = _listing(app, path) if file.is_dir() else _code(app.builder, file)
        context = {"title": path, "body": f"<h1>{escape(path)}</h1>{body}"}
        yield f"{FOLDER}/{path}", context, "page.html"


def _code(builder: StandaloneHTMLBuilder, file: Path) -> str:
    text = file.read_text()
    language = LANGUAGES.get(file.suffix or file.name, "none") if len(text) < FILE_BYTES_MAX else "none"
    return builder.highlighter.highlight_block(text, language, force=True)


def _listing(app: Sphinx, path: str) -> str:
    """Return the list of a folder's files; those that the docs link to are links."""
    rows = []
    for entry in sorted((Path(app.srcdir) / path).iterdir()):
        if entry.name.startswith((".", "__")):
            continue
        name = escape(entry.name + "/" * entry.is_dir())
        inner = f"{path}/{entry.name}"
        if inner in _linked(app):
            uri = app.builder.get_relative_uri(f"{FOLDER}/{path}", f"{FOLDER}/{inner}")
            name = f'<a class="reference internal" href="{uri}">{name}</a>'
        rows.append(f"<li><code>{name}</code></li>")
    return f"<ul>{''.join(rows)}</ul>"


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_transform(FindSourceLinks)
    app.add_post_transform(ResolveSourceLinks)
    app.connect("html-collect-pages", collect_pages)
    return {"parallel_read_safe": False, "parallel_write_safe": False}
