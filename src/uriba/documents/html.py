"""Documents as HTML pages without scripts and without other files, for screens and printers."""

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
_PAPER_STYLES = {
    PaperSize.A4: "@page { size: A4; margin: 15mm; } main { max-width: 180mm; }",
    # The page is as long as its content: printers of rolls cut at the end of the page.
    PaperSize.ROLL: "@page { size: 80mm auto; margin: 3mm; } main { max-width: 74mm; padding: 0; } "
    ":root { font-size: 9pt; }",
}


def _read_styles() -> dict[PaperSize, str]:
    shared = (files("uriba.documents") / "templates" / "document.css").read_text()
    return {paper: shared + rules for paper, rules in _PAPER_STYLES.items()}


_STYLES = _read_styles()


def render_html(document: Document, paper: PaperSize) -> str:
    """Return the page. All texts of the document are escaped."""
    template = _TEMPLATES.get_template("document.html")
    return template.render(
        page=page_content(document),
        code=qr_code(document.order_number),
        style=Markup(_STYLES[paper]),  # noqa: S704 - our own style sheet
    )


def content_security_policy(paper: PaperSize) -> str:
    """Return the content security policy of a page: only the page's own style sheet is allowed, by its digest."""
    digest = b64encode(sha256(_STYLES[paper].encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
