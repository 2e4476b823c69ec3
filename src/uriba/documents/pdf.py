"""Documents as PDF, on A4 or on a roll whose page is as long as its content.

Japanese and Korean text uses the standard fonts for them that PDF readers provide: no font is installed or embedded.
Characters that these fonts do not have, such as emoji, are printed as 〓, the Japanese mark for a missing character.
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
from uriba.documents.qr_code import qr_code

JAPANESE, KOREAN, LATIN, LATIN_BOLD = "HeiseiKakuGo-W5", "HYGothic-Medium", "Helvetica", "Helvetica-Bold"
MISSING_CHARACTER = "〓"
LINE_HEIGHT = 1.45
"""The height of a line as a multiple of its type size."""

CODE_SIZE = 26 * mm
INDENT = 3 * mm
LINES_PER_LABEL_MAX = 12

for _name in (JAPANESE, KOREAN):
    registerFont(UnicodeCIDFont(_name))


@dataclass(frozen=True, slots=True)
class PageFormat:
    """The width, margin and type size of a paper; without a height, the page is as long as its content."""

    width: float
    height: float | None
    margin: float
    size: float

    @property
    def inner_width(self) -> float:
        return self.width - 2 * self.margin


PAGE_FORMATS = {
    PaperSize.A4: PageFormat(A4[0], A4[1], 18 * mm, 10),
    PaperSize.ROLL: PageFormat(80 * mm, None, 4 * mm, 8.5),
}


@dataclass(frozen=True, slots=True)
class PrintLine:
    """A printed line, or the QR code if it has a `code`.

    `space_above` is white space, with a rule in it if `ruled`. `keep_with_next` is the height of the following lines
    that must be on the same page.
    """

    left: str = ""
    right: str = ""
    size: float = 10
    strong: bool = False
    centred: bool = False
    indent: float = 0
    space_above: float = 0
    ruled: bool = False
    code: str = ""
    keep_with_next: float = 0

    @property
    def height(self) -> float:
        return self.space_above + (CODE_SIZE if self.code else self.size * LINE_HEIGHT)


def render_pdf(document: Document, paper: PaperSize) -> bytes:
    """Return the file. The same document always gives the same bytes."""
    page, page_format = page_content(document), PAGE_FORMATS[paper]
    lines = list(_print_lines(page, page_format))
    height = page_format.height or sum(line.height for line in lines) + 2 * page_format.margin
    output = BytesIO()
    canvas = Canvas(output, pagesize=(page_format.width, height), invariant=True)
    canvas.setTitle(f"{page.title} {page.code}")
    canvas.setAuthor(page.issuer[0])
    top = height - page_format.margin
    for line in lines:
        if top - line.height - line.keep_with_next < page_format.margin - 1:
            canvas.showPage()
            top = height - page_format.margin
        top -= line.height
        _draw(canvas, line, page_format, top)
    canvas.save()
    return output.getvalue()


def _print_lines(page: PageContent, page_format: PageFormat) -> Iterator[PrintLine]:
    """Yield the page as lines that fit the width of the paper."""
    size, width = page_format.size, page_format.inner_width
    for text in wrap_text(page.title, width, size * 1.4, strong=True):
        yield PrintLine(text, size=size * 1.4, strong=True, centred=True)
    if page.banner:
        yield PrintLine(page.banner, size=size * 1.2, strong=True, centred=True, space_above=size * 0.5)
    for n, issuer_line in enumerate(page.issuer):
        for text in wrap_text(issuer_line, width, size, strong=n == 0):
            yield PrintLine(text, size=size, strong=n == 0, space_above=0 if n else size)
    yield from _block(page.header, page_format)
    for n, line in enumerate(page.lines):
        yield from _block((line.heading, *line.details), page_format, ruled=n == 0)
    for values in (page.totals, page.taxes, page.tenders):
        yield from _block(values, page_format)
    for n, note in enumerate(page.notes):
        for text in wrap_text(note, width, size * 0.88):
            yield PrintLine(text, size=size * 0.88, space_above=0 if n else size * 0.5)
    label = PrintLine(f"{page.code_label} {page.code}", size=size * 0.88, centred=True)
    yield PrintLine(code=page.code, space_above=size, keep_with_next=label.height)
    yield label


def _block(values: Sequence[LabelledValue], page_format: PageFormat, *, ruled: bool = True) -> list[PrintLine]:
    """Return values that stay on one page, below a rule if `ruled`."""
    lines = list(_block_lines(values, page_format, ruled=ruled))
    if lines:
        lines[0] = replace(lines[0], keep_with_next=sum(line.height for line in lines[1:]))
    return lines


def _block_lines(values: Sequence[LabelledValue], page_format: PageFormat, *, ruled: bool) -> Iterator[PrintLine]:
    for n, labelled in enumerate(values):
        size = page_format.size * (1.25 if labelled.strong else 0.88 if labelled.small else 1)
        indent = INDENT if labelled.small else 0
        value_width = text_width(labelled.value, size, strong=labelled.strong) + size if labelled.value else 0
        label_width = page_format.inner_width - indent - value_width
        texts = wrap_text(labelled.label, label_width, size, strong=labelled.strong)
        for index, text in enumerate(texts):
            first, last = index == 0, index == len(texts) - 1
            yield PrintLine(
                text,
                labelled.value if last else "",
                size=size,
                strong=labelled.strong,
                indent=indent,
                space_above=page_format.size * 0.7 if first and n == 0 and ruled else 0,
                ruled=first and n == 0 and ruled,
            )


def _draw(canvas: Canvas, line: PrintLine, page_format: PageFormat, bottom: float) -> None:
    left, right = page_format.margin, page_format.width - page_format.margin
    if line.ruled:
        rule = bottom + line.height - line.space_above * 0.4
        canvas.setLineWidth(0.5)
        canvas.line(left, rule, right, rule)
    if line.code:
        _draw_code(canvas, line.code, (page_format.width - CODE_SIZE) / 2, bottom)
        return
    baseline = bottom + line.size * 0.32
    width = text_width(line.left, line.size, strong=line.strong)
    start = (page_format.width - width) / 2 if line.centred else left + line.indent
    _draw_text(canvas, start, baseline, line.left, line)
    right_start = right - text_width(line.right, line.size, strong=line.strong)
    _draw_text(canvas, right_start, baseline, line.right, line)


def _draw_text(canvas: Canvas, x: float, y: float, text: str, line: PrintLine) -> None:
    """Draw a text in the fonts that have its characters."""
    output = canvas.beginText(x, y)
    for font, part in _font_runs(text, strong=line.strong):
        output.setFont(font, line.size)
        output.textOut(part)
    canvas.drawText(output)


def _draw_code(canvas: Canvas, text: str, x: float, y: float) -> None:
    code = qr_code(text)
    module = CODE_SIZE / code.size
    for bar in code.bars:
        canvas.rect(x + bar.x * module, y + (code.size - bar.y - 1) * module, bar.length * module, module, 0, 1)


def _font_runs(text: str, *, strong: bool) -> Iterator[tuple[str, str]]:
    """Yield the parts of a text with their fonts; one font for the whole text if it has all characters."""
    printable = "".join(character if character <= "\uffff" else MISSING_CHARACTER for character in text)
    latin = LATIN_BOLD if strong else LATIN
    ascii_font = latin if all(_is_latin(character) for character in printable) else JAPANESE
    for font, part in groupby(printable, key=lambda character: _font(character, latin, ascii_font)):
        yield font, "".join(part)


def _font(character: str, latin: str, ascii_font: str) -> str:
    if "\uac00" <= character <= "\ud7a3":
        return KOREAN
    return ascii_font if character.isascii() or not _is_latin(character) else latin


def _is_latin(character: str) -> bool:
    try:
        return bool(character.encode("cp1252"))
    except UnicodeEncodeError:
        return False


def text_width(text: str, size: float, *, strong: bool = False) -> float:
    """Return the printed width of a text."""
    return sum((float(stringWidth(part, font, size)) for font, part in _font_runs(text, strong=strong)), 0.0)


def wrap_text(text: str, width: float, size: float, *, strong: bool = False) -> list[str]:
    """Return the text in lines that fit the width, at most `LINES_PER_LABEL_MAX`; the rest is cut off.

    Lines break at a space in their second half, or else anywhere, as is usual in Japanese.
    """
    if text_width(text, size, strong=strong) <= width:
        return [text]
    lines, line = [], ""
    for character in text:
        if line and text_width(line + character, size, strong=strong) > width:
            head, space, tail = line.rpartition(" ")
            at_space = space and len(tail) < len(line) // 2
            lines.append(head if at_space else line)
            line = tail if at_space else ""
        line += character
    lines.append(line)
    return [one.strip() for one in lines[:LINES_PER_LABEL_MAX]]
