"""The receipt of a basket of The Complete Journey, replayed through posSync."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.documents import pdf_text
from tests.support.scratch_database import open_scratch_database
from uriba.config import to_environment
from uriba.core.actor import SYSTEM
from uriba.core.money import Money
from uriba.db import Database
from uriba.db.statements import statement
from uriba.documents import queries, receipts
from uriba.documents.content import Document, DocumentKind, PaperSize
from uriba.documents.pdf import render_pdf
from uriba.sources.loading import AddRows
from uriba.sources.replay.runner import ReplayTarget, replay
from uriba.sources.replay.sales import CompleteJourneySales

if TYPE_CHECKING:
    from tests.support.hub import RunningHub


@contextmanager
def no_progress(_stage: str, _rows: int | None) -> Iterator[AddRows]:
    yield lambda _: None


@pytest.fixture(scope="module")
async def replayed(hub: RunningHub, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    """A hub with two days of sales of one store."""
    async with open_scratch_database(hub.settings) as (settings, database):
        target = ReplayTarget(database, to_environment(settings), tmp_path_factory.mktemp("year"))
        await replay(target, lambda: CompleteJourneySales(stores=1, days=2), seed=None, progress=no_progress)
        yield database


async def longest_receipt(database: Database) -> Document:
    """Return the receipt of the sale with the most lines."""
    async with database.reading() as session:
        order_id = await session.fetchval(
            statement("SELECT order_id FROM order_line GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")
        )
        order = await queries.order_by_id(session, order_id, actor=SYSTEM)
    assert order is not None
    return receipts.order_document(order, kind=DocumentKind.RECEIPT, lang=None)


async def test_prints_every_line_of_a_real_basket_and_the_sums_agree(replayed: Database) -> None:
    document = await longest_receipt(replayed)
    text = pdf_text(render_pdf(document, PaperSize.A4))

    assert document.totals is not None and document.receipt_number
    total = sum(line.total.minor for line in document.lines if line.total)
    assert Money(total, "USD") == document.totals.total
    assert sum(tax.gross.minor for tax in document.taxes) == total
    assert sum(tender.amount.minor for tender in document.tenders) == total
    assert len(document.lines) > 5
    assert [line.sku for line in document.lines if line.sku not in text] == []
    assert f"Total {document.totals.total}" in text
    assert f"Receipt {document.receipt_number}" in text
