"""What a person is shown of a replay: what was counted, on both sides, and whether it is the same."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from uriba.sources.replay.runner import ReplayResult

COUNTED = (
    "What is counted: every basket and line of the slice. Petrol is sold in thousandths of a gallon, as the source "
    "has it; a line of quantity 0 is sold as one unit of an article for such lines. Both are apart from units of goods."
)


def render_report(name: str, replayed: ReplayResult) -> Group:
    """The table, and what there is to say about it; `name` is the slice's."""
    table = Table("what", "source", "hub", "equal", caption=COUNTED, caption_justify="left")
    for column in table.columns[1:3]:
        column.justify = "right"
    for row in replayed.rows:
        table.add_row(row.what, row.source, row.hub, "[green]✓[/]" if row.equal else "[red]✗[/]")
    samples = [Text(sample, style="red") for sample in replayed.told.samples]
    return Group(table, *samples, _verdict(name, replayed), _cost(replayed))


def _verdict(name: str, replayed: ReplayResult) -> Text:
    unequal = sum(not row.equal for row in replayed.rows)
    if unequal:
        return Text(f"✗ {name}: {unequal} of {len(replayed.rows)} rows differ", style="red")
    return Text(f"✓ {name}: the hub's books are the source's, to the unit and the cent", style="green")


def _cost(replayed: ReplayResult) -> Text:
    statuses = ", ".join(f"{count:,} {status.lower()}" for status, count in sorted(replayed.told.statuses.items()))
    loading_mb, most_mb = replayed.memory_mb
    return Text(
        f"{replayed.events:,} events sent in {replayed.seconds:,.0f} s ({statuses}); "
        f"memory of this program: at most {loading_mb:,} MB loading, {most_mb:,} MB in all"
    )
