"""The demo: it runs on an empty data folder and again on its own data; its choice of variants; its steps."""

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
from uriba.demo import hub_processes, product_choice
from uriba.demo.errors import RequestRefused, StepFailed
from uriba.demo.journey import LOYALTY_CARD
from uriba.demo.product_choice import ProductChoice, Variant
from uriba.demo.steps import StepLog
from uriba.outbox.database import open_database

STEPS = (
    "App and web shop sign in the same customer",
    "Browse in the app",
    "Read the stock of the three items at all locations",
    "Add three items to the cart",
    "Open the same cart in the web shop",
    "Add one more in the web shop",
    "Set the quantity to 2 on the phone",
    "Show the handoff code at the store",
    "the till scans the code",
    "Ship the item that the store does not have",
    "Take the cash: the order appears on the phone",
    "Read the receipt",
    "Compare the stock before and after",
    "Read the ledger",
    "Read the order's timeline",
    "Check every invariant",
)
STEP_TITLE = re.compile(r"^ ?\d+  (phone|web|till|staff|hub) +(.*?) +[\d,]+ ms$", re.MULTILINE)


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


@pytest.mark.engines
def test_the_demo_prints_every_step_and_passes(data_dir: Path) -> None:
    result = run_demo(data_dir)

    assert result.returncode == 0, result.stdout + result.stderr
    titles = [title for _, title in STEP_TITLE.findall(result.stdout)]
    assert len(titles) == len(STEPS), titles
    assert all(step in title for step, title in zip(STEPS, titles, strict=True)), titles
    assert f"{len(STEPS)} of {len(STEPS)} steps passed" in result.stdout
    assert "✗" not in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    assert embedded.find_engines(data_dir) is None


@pytest.mark.engines
async def test_a_second_run_uses_the_loaded_goods_and_empties_an_older_cart(data_dir: Path) -> None:
    with hub_processes.engines(Settings(data_dir=data_dir), lambda _: None) as settings:
        await create_cart_of_demo_customer(settings)

    result = run_demo(data_dir)

    assert result.returncode == 0, result.stdout + result.stderr
    assert "already loaded" in result.stdout
    assert "the customer still had an older cart: its lines are removed" in result.stdout


async def create_cart_of_demo_customer(settings: Settings) -> None:
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


def make_variant(sku: str, *, tax_class: str = "reduced", **units: int) -> Variant:
    return Variant(sku, f"Variant {sku}", tax_class, "1.00", sum(units.values()), units)


def skus(choice: ProductChoice) -> list[str]:
    return [variant.sku for variant in choice.all]


def test_chooses_two_variants_in_store_and_one_from_elsewhere() -> None:
    variants = [
        make_variant("A", S1=2, S2=9),
        make_variant("B", S1=9),
        make_variant("C", S1=9, S2=9),
        make_variant("D", S2=9),
        make_variant("E", S1=9),
    ]

    choice = product_choice.choose(variants, ["S1", "S2"])

    assert choice is not None
    assert (choice.store, skus(choice)) == ("S1", ["B", "C", "D"])


def test_chooses_two_tax_classes_if_possible() -> None:
    variants = [
        make_variant("A", S1=9),
        make_variant("B", S1=9),
        make_variant("C", tax_class="standard", S1=9),
        make_variant("D", S2=9),
    ]

    choice = product_choice.choose(variants, ["S1"])

    assert choice is not None
    assert skus(choice) == ["A", "C", "D"]


def test_chooses_another_store_if_the_first_has_everything() -> None:
    variants = [make_variant("A", S1=9, S2=9), make_variant("B", S1=9, S2=9), make_variant("C", S1=9)]

    choice = product_choice.choose(variants, ["S1", "S2"])

    assert choice is not None
    assert (choice.store, choice.elsewhere.sku) == ("S2", "C")


def test_chooses_removable_stock_if_every_store_has_everything() -> None:
    variants = [make_variant(sku, S1=9, S2=9) for sku in "ABC"]

    choice = product_choice.choose_with_removable_stock(variants, "S1")

    assert product_choice.choose(variants, ["S1", "S2"]) is None
    assert choice is not None
    assert skus(choice) == ["A", "B", "C"]
    removed = product_choice.without_store(choice.elsewhere, "S1")
    assert removed == replace(choice.elsewhere, total=9, units_by_location={"S2": 9})


def test_chooses_nothing_from_too_few_variants() -> None:
    assert product_choice.choose([], ["S1"]) is None
    assert product_choice.choose_with_removable_stock([make_variant("A", S1=9)], "S1") is None


@pytest.fixture
def log() -> StepLog:
    return StepLog(Console(file=StringIO(), width=80))


def output(log: StepLog) -> str:
    assert isinstance(log.console.file, StringIO)
    return log.console.file.getvalue()


def test_a_failed_check_prints_what_was_expected(log: StepLog) -> None:
    with log.step("phone", "Look") as step:
        step.check("it is there", True)
        step.check_equal("units", 3, 4)

    assert not log.passed
    assert "✓ it is there" in output(log)
    assert "✗ units: expected 4; found 3" in output(log)


def test_a_refused_request_fails_its_step_and_ends_the_journey(log: StepLog) -> None:
    with pytest.raises(StepFailed), log.step("till", "Sell"):
        raise RequestRefused("OUT_OF_STOCK: Not enough.")

    assert not log.passed
    assert "✗ the hub answers; found OUT_OF_STOCK: Not enough." in output(log)


def test_a_step_without_a_check_does_not_pass(log: StepLog) -> None:
    with log.step("hub", "Wait"):
        pass

    assert not log.passed
