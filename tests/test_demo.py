"""The demo: it runs from nothing, tells every step, and runs again on what it left."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from uriba import embedded
from uriba.cart import carts, lines
from uriba.cart.lines import NewLine
from uriba.catalog import channels
from uriba.config import Settings
from uriba.core.actor import Actor, Role
from uriba.customers import customers
from uriba.customers.identifiers import Identifier
from uriba.demo import goods, hub
from uriba.demo.device import Refused
from uriba.demo.goods import Good
from uriba.demo.journey import LOYALTY_CARD
from uriba.demo.story import Broken, Story
from uriba.outbox.database import open_database

STEPS = (
    "App and web shop sign the same customer in",
    "Browse in the app",
    "Note the stock of the three, everywhere",
    "Add three items",
    "Open the web shop: the same cart",
    "One more on the web",
    "Now two on the phone",
    "At the store: show the handoff code",
    "the till scans it",
    "Ship what is not on the shelf",
    "Take the cash: the phone has the order",
    "Read the receipt",
    "Compare the stock",
    "Read the ledger",
    "Read the order's timeline",
    "Check every invariant",
)
STEP = re.compile(r"^ ?\d+  (phone|web|till|staff|hub) +(.*?) +[\d,]+ ms$", re.MULTILINE)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


def run_demo(data_dir: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "uriba", "demo", "--exit", "--stores", "3", "--products", "120"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("URIBA_")}
    environment["COLUMNS"] = "80"
    return subprocess.run(
        [*command, "--data-dir", str(data_dir)], env=environment, capture_output=True, text=True, timeout=100
    )


def test_runs_from_nothing_and_tells_every_step(data_dir: Path) -> None:
    ran = run_demo(data_dir)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = [title for _, title in STEP.findall(ran.stdout)]
    assert len(told) == len(STEPS), told
    assert all(step in title for step, title in zip(STEPS, told, strict=True)), told
    assert f"{len(STEPS)} of {len(STEPS)} steps held" in ran.stdout
    assert "✗" not in ran.stdout
    assert max(len(line) for line in ran.stdout.splitlines()) <= 80
    assert embedded.find_engines(data_dir) is None


async def test_runs_again_where_an_older_cart_was_left(data_dir: Path) -> None:
    with hub.engines(Settings(data_dir=data_dir), lambda _: None) as settings:
        await leave_a_cart(settings)

    ran = run_demo(data_dir)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "loaded before" in ran.stdout
    assert "an older cart of the same customer was still there: emptied" in ran.stdout


async def leave_a_cart(settings: Settings) -> None:
    database = open_database(settings)
    async with database.transaction() as session:
        hana = await customers.find(session, Identifier("loyalty_card", LOYALTY_CARD))
        assert hana is not None
        web = (await channels.by_code(session, ["web"]))["web"]["id"]
        actor = Actor(Role.CUSTOMER, customer_id=hana["id"], channel_id=web)
        cart_id = await carts.create(session, actor=actor, channel_id=web)
        line = NewLine(sku="CJ-981760", variant_id=None, quantity=2)
        await lines.add(session, actor=actor, cart_id=cart_id, lines=[line])
    await database.close()


def good(sku: str, *, tax: str = "reduced", **places: int) -> Good:
    return Good(sku, f"Good {sku}", tax, "1.00", sum(places.values()), places)


def test_chooses_two_from_the_shelf_and_one_from_elsewhere() -> None:
    seen = [good("A", S1=2, S2=9), good("B", S1=9), good("C", S1=9, S2=9), good("D", S2=9), good("E", S1=9)]

    chosen = goods.choose(seen, ["S1", "S2"])

    assert chosen is not None
    assert (chosen.store, [g.sku for g in chosen.all]) == ("S1", ["B", "C", "D"])


def test_chooses_two_tax_classes_where_there_are() -> None:
    seen = [good("A", S1=9), good("B", S1=9), good("C", tax="standard", S1=9), good("D", S2=9)]

    chosen = goods.choose(seen, ["S1"])

    assert chosen is not None
    assert [g.sku for g in chosen.all] == ["A", "C", "D"]


def test_chooses_another_store_where_the_first_has_everything() -> None:
    seen = [good("A", S1=9, S2=9), good("B", S1=9, S2=9), good("C", S1=9)]

    chosen = goods.choose(seen, ["S1", "S2"])

    assert chosen is not None
    assert (chosen.store, chosen.elsewhere.sku) == ("S2", "C")


def test_empties_a_shelf_where_every_store_has_everything() -> None:
    seen = [good("A", S1=9, S2=9), good("B", S1=9, S2=9), good("C", S1=9, S2=9)]

    chosen = goods.choose_to_empty(seen, "S1")

    assert goods.choose(seen, ["S1", "S2"]) is None
    assert chosen is not None
    assert [g.sku for g in chosen.all] == ["A", "B", "C"]
    left = goods.emptied(chosen.elsewhere, "S1")
    assert left == replace(chosen.elsewhere, total=9, places={"S2": 9})


def test_chooses_nothing_from_too_little() -> None:
    assert goods.choose([], ["S1"]) is None
    assert goods.choose_to_empty([good("A", S1=9)], "S1") is None


@pytest.fixture
def story() -> Story:
    return Story(Console(file=StringIO(), width=80))


def told(story: Story) -> str:
    assert isinstance(story.console.file, StringIO)
    return story.console.file.getvalue()


def test_a_condition_that_fails_says_what_was_expected(story: Story) -> None:
    with story.step("phone", "Look") as step:
        step.hold("it is there", True)
        step.equal("units", 3, 4)

    assert not story.held
    assert "✓ it is there" in told(story)
    assert "✗ units: expected 4; found 3" in told(story)


def test_a_refused_step_is_told_and_ends_the_story(story: Story) -> None:
    with pytest.raises(Broken), story.step("till", "Sell"):
        raise Refused("OUT_OF_STOCK: Not enough.")

    assert not story.held
    assert "✗ the hub answers; found OUT_OF_STOCK: Not enough." in told(story)


def test_a_step_without_a_condition_does_not_hold(story: Story) -> None:
    with story.step("hub", "Wait"):
        pass

    assert not story.held
