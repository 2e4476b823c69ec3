"""The report of a replay for a terminal: the counts of the source and of the hub, and whether they are equal."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from uriba.sources.replay.runner import ReplayResult

CAPTION = (
    "Every basket and line of the slice is counted. Petrol is sold in thousandths of a gallon, as in the source; a "
    "line of quantity 0 is sold as one unit of a product for such lines. Neither counts as units of goods."
)


def render_report(slice_name: str, result: ReplayResult) -> Group:
    """Return the comparison as a table, samples of errors, the conclusion, and the time and memory used."""
    table = Table("what", "source", "hub", "equal", caption=CAPTION, caption_justify="left")
    for column in table.columns[1:3]:
        column.justify = "right"
    for row in result.rows:
        table.add_row(row.title, row.source, row.hub, "[green]✓[/]" if row.equal else "[red]✗[/]")
    samples = [Text(sample, style="red") for sample in result.summary.samples]
    return Group(table, *samples, _conclusion(slice_name, result), _resources(result))


def _conclusion(slice_name: str, result: ReplayResult) -> Text:
    different = sum(not row.equal for row in result.rows)
    if different:
        return Text(f"✗ {slice_name}: {different} of {len(result.rows)} rows differ", style="red")
    return Text(f"✓ {slice_name}: hub and source agree to the unit and the cent", style="green")


def _resources(result: ReplayResult) -> Text:
    statuses = ", ".join(f"{count:,} {status.lower()}" for status, count in sorted(result.summary.statuses.items()))
    return Text(
        f"{result.events:,} events sent in {result.seconds:,.0f} s ({statuses}); memory of this program: "
        f"at most {result.loading_memory_mb:,} MB while loading, {result.memory_mb:,} MB overall"
    )
