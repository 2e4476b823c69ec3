"""Documents as HTML pages: whole in themselves, without scripts, fit to be shown and to be printed."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from uriba.documents.content import Document, PaperSize
from uriba.documents.layout import page_content
from uriba.documents.qr_code import qr_code

_TEMPLATES = Environment(
    loader=PackageLoader("uriba.documents"), autoescape=True, undefined=StrictUndefined, auto_reload=False
)
_PAPER = {
    PaperSize.A4: "@page { size: A4; margin: 15mm; } main { max-width: 180mm; }",
    # The roll is as long as what is printed on it: its driver cuts where the page ends.
    PaperSize.ROLL: "@page { size: 80mm auto; margin: 3mm; } main { max-width: 74mm; padding: 0; } "
    ":root { font-size: 9pt; }",
}


def _styles() -> dict[PaperSize, str]:
    shared = (files("uriba.documents") / "templates" / "document.css").read_text()
    return {paper: shared + rules for paper, rules in _PAPER.items()}


_STYLES = _styles()


def render_html(document: Document, paper: PaperSize) -> str:
    """The page. Whatever stands in it that was written by people is escaped."""
    page = _TEMPLATES.get_template("document.html")
    return page.render(
        sheet=page_content(document),
        code=qr_code(document.number),
        style=Markup(_STYLES[paper]),  # noqa: S704 - our own rules
    )


def content_security_policy(paper: PaperSize) -> str:
    """The content security policy of a page: its one style sheet, known by its digest, and nothing else at all."""
    digest = b64encode(sha256(_STYLES[paper].encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
