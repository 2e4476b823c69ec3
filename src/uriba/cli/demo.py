"""`uriba demo`: start a hub with real goods, and play journey A."""

from __future__ import annotations

from typing import Annotated

import typer

from uriba.cli.options import DataDir, Host, Port, read_settings


def demo(
    exit_after_journey: Annotated[
        bool, typer.Option("--exit", help="Stop after the journey; exit status 0 if every step succeeded.")
    ] = False,
    stores: Annotated[int, typer.Option(min=2, help="How many stores of the year to load.")] = 20,
    products: Annotated[int, typer.Option(min=10, help="How many of their products to load.")] = 2_500,
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
) -> None:
    """Start a hub, load real data and take a cart from the phone to the till; then keep the hub running."""
    from uriba.demo.run import DemoOptions, run_demo

    settings = read_settings(data_dir, host=host, port=port)
    raise typer.Exit(run_demo(settings, DemoOptions(stores, products, exit_after_journey)))
