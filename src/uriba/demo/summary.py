"""The demo's output before and after its steps: a title, the result, and how to use the running hub."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from uriba.demo.journey import ProgramKeys
from uriba.demo.steps import WIDTH_MAX, StepLog

CURL = """curl -s {address}/graphql -H 'content-type: application/json' -d \
'{{"query": "{{ products(channel: \\"app\\", search: \\"banana\\", first: 3) \
{{ edges {{ node {{ name variants {{ sku price {{ amount }} availability {{ quantity }} }} }} }} }} }}"}}'"""
CURL_WITH_KEY = """curl -s {address}/graphql -H 'content-type: application/json' -H 'authorization: Bearer {key}' -d \
'{{"query": "{{ orders(first: 3) {{ edges {{ node {{ number status total {{ amount }} }} }} }} }}"}}'"""


@dataclass(frozen=True, slots=True)
class CreatedKeys:
    """The keys that this run of the demo created; `terminal` is for a till at `store`."""

    program_keys: ProgramKeys
    store: str
    terminal: str


def print_title(console: Console) -> None:
    text = Text.assemble(
        ("売り場 Uriba", "bold"),
        "\nAn omnichannel retail hub: one stock, one cart and one list of orders for app, web shop and stores.",
    )
    console.print(Panel(text, width=min(console.width, WIDTH_MAX), padding=(1, 3)))


def print_result(log: StepLog) -> None:
    """Print how many steps passed."""
    passed = sum(step.passed for step in log.steps)
    checks = sum(len(step.checks) for step in log.steps)
    took_s = sum(step.took_s for step in log.steps)
    style = "bold green" if log.passed else "bold red"
    text = f"{passed} of {len(log.steps)} steps passed ({checks} checks), in {took_s:.1f} s"
    log.console.print(Text(text, style=style))


def print_addresses(console: Console, address: str, created: CreatedKeys) -> None:
    """Print the addresses of the running hub, its keys, and requests to try."""
    keys = (
        (f"terminal at {created.store}", created.terminal),
        ("app", created.program_keys.app),
        ("staff", created.program_keys.staff),
    )
    console.print("\n[bold]The hub keeps running[/]\n")
    console.print(f"  GraphiQL  {address}/graphql   with example queries")
    console.print(f"  metrics   {address}/metrics")
    console.print(f"  health    {address}/health/ready\n")
    console.print("[bold]Keys of this run[/], shown only once. In GraphiQL, enter one under Headers")
    console.print('  as {"authorization": "Bearer KEY"}\n')
    for owner, key in keys:
        console.print(f"  {owner}\n    [cyan]{key}[/]", soft_wrap=True)
    console.print("\n[bold]From another terminal[/]\n")
    console.print(Text(CURL.format(address=address)), soft_wrap=True)
    console.print(Text(CURL_WITH_KEY.format(address=address, key=created.program_keys.staff)), soft_wrap=True)
    console.print("\nCtrl-C stops the hub. Its data is kept for the next run.")
