"""Documents as PDF, on A4 or on a roll as long as what stands on it.

Japanese (and Korean) text uses the fonts that every PDF reader brings along for it: nothing is installed or embedded.
What no such font has, such as emoji, is printed as 〓, as printers always did.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import groupby

from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.pdfmetrics import registerFont, stringWidth
from reportlab.pdfgen.canvas import Canvas

from uriba.documents.content import Document, PaperSize
from uriba.documents.layout import LabelledValue, PageContent, page_content
from uriba.documents.qr_code import qr_code as code

JAPANESE, KOREAN, LATIN, LATIN_STRONG = "HeiseiKakuGo-W5", "HYGothic-Medium", "Helvetica", "Helvetica-Bold"
MISSING = "〓"
LEADING = 1.45
CODE_SIZE = 26 * mm
INDENT = 3 * mm
LINES_PER_LABEL_MAX = 12

for _name in (JAPANESE, KOREAN):
    registerFont(UnicodeCIDFont(_name))


@dataclass(frozen=True, slots=True)
class PageFormat:
    """A kind of paper: its width, margin and type size; without a height it is as long as it has to be."""

    width: float
    height: float | None
    margin: float
    size: float

    @property
    def inner(self) -> float:
        return self.width - 2 * self.margin


PAGE_FORMATS = {
    PaperSize.A4: PageFormat(A4[0], A4[1], 18 * mm, 10),
    PaperSize.ROLL: PageFormat(80 * mm, None, 4 * mm, 8.5),
}


@dataclass(frozen=True, slots=True)
class PrintLine:
    """A line of print, or with `code` the code; `gap` is white above it, `ruled` draws a line there.

    `below`: how high what stays on one sheet with it is.
    """

    left: str = ""
    right: str = ""
    size: float = 10
    strong: bool = False
    centred: bool = False
    indent: float = 0
    gap: float = 0
    ruled: bool = False
    code: str = ""
    below: float = 0

    @property
    def height(self) -> float:
        return self.gap + (CODE_SIZE if self.code else self.size * LEADING)


def render_pdf(document: Document, paper: PaperSize) -> bytes:
    """The file: the same document gives the same bytes."""
    page, form = page_content(document), PAGE_FORMATS[paper]
    strips = list(_strips(page, form))
    length = form.height or sum(strip.height for strip in strips) + 2 * form.margin
    written = BytesIO()
    canvas = Canvas(written, pagesize=(form.width, length), invariant=True)
    canvas.setTitle(f"{page.title} {page.code}")
    canvas.setAuthor(page.issuer[0])
    top = length - form.margin
    for strip in strips:
        if top - strip.height - strip.below < form.margin - 1:
            canvas.showPage()
            top = length - form.margin
        top -= strip.height
        _draw(canvas, strip, form, top)
    canvas.save()
    return written.getvalue()


def _strips(page: PageContent, form: PageFormat) -> Iterator[PrintLine]:
    """The sheet as lines that fit the paper."""
    size = form.size
    for text in wrap_text(page.title, form.inner, size * 1.4, strong=True):
        yield PrintLine(text, size=size * 1.4, strong=True, centred=True)
    if page.banner:
        yield PrintLine(page.banner, size=size * 1.2, strong=True, centred=True, gap=size * 0.5)
    for n, line in enumerate(page.issuer):
        for text in wrap_text(line, form.inner, size, strong=n == 0):
            yield PrintLine(text, size=size, strong=n == 0, gap=0 if n else size)
    yield from _block(page.facts, form)
    for n, item in enumerate(page.items):
        yield from _block((item.entry, *item.notes), form, ruled=n == 0)
    for entries in (page.sums, page.taxes, page.tenders):
        yield from _block(entries, form)
    for n, note in enumerate(page.notes):
        for text in wrap_text(note, form.inner, size * 0.88):
            yield PrintLine(text, size=size * 0.88, gap=0 if n else size * 0.5)
    label = PrintLine(f"{page.code_label} {page.code}", size=size * 0.88, centred=True)
    yield PrintLine(code=page.code, gap=size, below=label.height)
    yield label


def _block(entries: Sequence[LabelledValue], form: PageFormat, *, ruled: bool = True) -> list[PrintLine]:
    """Entries that stay together, below a line."""
    strips = list(_lines(entries, form, ruled=ruled))
    if strips:
        strips[0] = replace(strips[0], below=sum(strip.height for strip in strips[1:]))
    return strips


def _lines(entries: Sequence[LabelledValue], form: PageFormat, *, ruled: bool) -> Iterator[PrintLine]:
    for n, entry in enumerate(entries):
        size = form.size * (1.25 if entry.strong else 0.88 if entry.small else 1)
        indent = INDENT if entry.small else 0
        room = form.inner - indent - (text_width(entry.value, size, strong=entry.strong) + size if entry.value else 0)
        lines = wrap_text(entry.label, room, size, strong=entry.strong)
        for index, text in enumerate(lines):
            first, last = index == 0, index == len(lines) - 1
            yield PrintLine(
                text,
                entry.value if last else "",
                size=size,
                strong=entry.strong,
                indent=indent,
                gap=form.size * 0.7 if first and n == 0 and ruled else 0,
                ruled=first and n == 0 and ruled,
            )


def _draw(canvas: Canvas, strip: PrintLine, form: PageFormat, bottom: float) -> None:
    left, right = form.margin, form.width - form.margin
    if strip.ruled:
        edge = bottom + strip.height - strip.gap * 0.4
        canvas.setLineWidth(0.5)
        canvas.line(left, edge, right, edge)
    if strip.code:
        _draw_code(canvas, strip.code, (form.width - CODE_SIZE) / 2, bottom)
        return
    baseline = bottom + strip.size * 0.32
    wide = text_width(strip.left, strip.size, strong=strip.strong)
    _write(canvas, (form.width - wide) / 2 if strip.centred else left + strip.indent, baseline, strip.left, strip)
    _write(canvas, right - text_width(strip.right, strip.size, strong=strip.strong), baseline, strip.right, strip)


def _write(canvas: Canvas, x: float, y: float, text: str, strip: PrintLine) -> None:
    """One piece of text, in the fonts that have it."""
    written = canvas.beginText(x, y)
    for font, part in _runs(text, strong=strip.strong):
        written.setFont(font, strip.size)
        written.textOut(part)
    canvas.drawText(written)


def _draw_code(canvas: Canvas, text: str, x: float, y: float) -> None:
    drawn = code(text)
    module = CODE_SIZE / drawn.size
    for bar in drawn.bars:
        canvas.rect(x + bar.x * module, y + (drawn.size - bar.y - 1) * module, bar.length * module, module, 0, 1)


def _runs(text: str, *, strong: bool) -> Iterator[tuple[str, str]]:
    """A text and its fonts: one for all of it, where one has all of it."""
    known = "".join(character if character <= "\uffff" else MISSING for character in text)
    latin = LATIN_STRONG if strong else LATIN
    plain = latin if all(_is_latin(character) for character in known) else JAPANESE
    for font, part in groupby(known, key=lambda character: _font(character, latin, plain)):
        yield font, "".join(part)


def _font(character: str, latin: str, plain: str) -> str:
    if "\uac00" <= character <= "\ud7a3":
        return KOREAN
    return plain if character.isascii() or not _is_latin(character) else latin


def _is_latin(character: str) -> bool:
    try:
        return bool(character.encode("cp1252"))
    except UnicodeEncodeError:
        return False


def text_width(text: str, size: float, *, strong: bool = False) -> float:
    """How wide a text is printed."""
    return sum((float(stringWidth(part, font, size)) for font, part in _runs(text, strong=strong)), 0.0)


def wrap_text(text: str, room: float, size: float, *, strong: bool = False) -> list[str]:
    """The text in lines that fit: broken at spaces, else anywhere, as Japanese is; what is far too long is cut."""
    if text_width(text, size, strong=strong) <= room:
        return [text]
    lines, line = [], ""
    for character in text:
        if line and text_width(line + character, size, strong=strong) > room:
            head, space, tail = line.rpartition(" ")
            broken = space and len(tail) < len(line) // 2
            lines.append(head if broken else line)
            line = tail if broken else ""
        line += character
    lines.append(line)
    return [one.strip() for one in lines[:LINES_PER_LABEL_MAX]]
