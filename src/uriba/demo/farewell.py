"""The demo's first and last words."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from uriba.demo.journey import Keys
from uriba.demo.story import WIDTH_MAX, Story

CURL = """curl -s {address}/graphql -H 'content-type: application/json' -d \
'{{"query": "{{ products(channel: \\"app\\", search: \\"banana\\", first: 3) \
{{ edges {{ node {{ name variants {{ sku price {{ amount }} availability {{ quantity }} }} }} }} }} }}"}}'"""
CURL_KEY = """curl -s {address}/graphql -H 'content-type: application/json' -H 'authorization: Bearer {key}' -d \
'{{"query": "{{ orders(first: 3) {{ edges {{ node {{ number status total {{ amount }} }} }} }} }}"}}'"""


@dataclass(frozen=True, slots=True)
class Made:
    """What this run made: keys, and a till at a store."""

    keys: Keys
    store: str
    till: str


def title(console: Console) -> None:
    """What this is."""
    words = Text.assemble(
        ("売り場 Uriba", "bold"),
        "\nOne sales floor behind every door of a retailer: one stock, one cart, one order book.",
    )
    console.print(Panel(words, width=min(console.width, WIDTH_MAX), padding=(1, 3)))


def verdict(story: Story) -> None:
    """How the story went."""
    held = sum(step.held for step in story.steps)
    conditions = sum(len(step.conditions) for step in story.steps)
    took_s = sum(step.took_s for step in story.steps)
    style = "bold green" if story.held else "bold red"
    words = f"{held} of {len(story.steps)} steps held ({conditions} conditions), in {took_s:.1f} s"
    story.console.print(Text(words, style=style))


def invite(console: Console, address: str, made: Made) -> None:
    """What to open, and with which keys."""
    keys = (
        (f"terminal of {made.store}", made.till),
        ("app", made.keys.app),
        ("staff", made.keys.staff),
    )
    console.print("\n[bold]The hub stays up[/]\n")
    console.print(f"  GraphiQL  {address}/graphql   example queries are ready to run")
    console.print(f"  metrics   {address}/metrics")
    console.print(f"  health    {address}/health/ready\n")
    console.print("[bold]Keys of this run[/], shown this once; GraphiQL takes one under Headers")
    console.print('  as {"authorization": "Bearer KEY"}\n')
    for whose, key in keys:
        console.print(f"  {whose}\n    [cyan]{key}[/]", soft_wrap=True)
    console.print("\n[bold]From another terminal[/]\n")
    console.print(Text(CURL.format(address=address)), soft_wrap=True)
    console.print(Text(CURL_KEY.format(address=address, key=made.keys.staff)), soft_wrap=True)
    console.print("\nCtrl-C stops the hub; what it holds is kept for the next time.")
