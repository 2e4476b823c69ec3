"""Relay connections of keyset pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from uriba.core.pages import Page
from uriba.graphql.scalars import PageInfo

Row = TypeVar("Row")


def connect(connection: type[Any], edge: type[Any], page: Page[Row], node_of: Callable[[Row], object]) -> Any:
    """Build a connection of these types from a page of rows."""
    return connection(
        edges=[edge(node=node_of(row), cursor=cursor) for row, cursor in zip(page.rows, page.cursors, strict=True)],
        page_info=PageInfo(
            has_next_page=page.more,
            has_previous_page=page.begun,
            start_cursor=page.cursors[0] if page.cursors else None,
            end_cursor=page.cursors[-1] if page.cursors else None,
        ),
    )
