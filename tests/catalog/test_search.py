"""Browsing: words, SKUs, barcodes, categories, pages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.catalog_calls import product, upsert, variant
from tests.support.client import Refused
from tests.support.shop import Shop

PRODUCTS = """query ($s: String, $c: String, $n: Int, $a: String) {
    products(search: $s, category: $c, first: $n, after: $a) {
        edges { node { handle } } pageInfo { hasNextPage hasPreviousPage endCursor } } }"""


async def found(shop: Shop, search: str | None = None, category: str | None = None, **given: Any) -> set[str]:
    """Handles of this shop, without its mark."""
    data = await shop.guest().execute(PRODUCTS, s=search, c=category, **given)
    handles = [edge["node"]["handle"] for edge in data["products"]["edges"]]
    return {handle.removesuffix(f"-{shop.suffix}") for handle in handles if handle.endswith(shop.suffix)}


async def test_finds_all_words_in_name_brand_or_category_in_any_order_and_case(shop: Shop) -> None:
    await upsert(
        shop,
        "products",
        product(shop, "one", name=f"Green Kettle {shop.suffix}", brand="Nambu", category="Ironware"),
        product(shop, "two", name=f"Red Kettle {shop.suffix}", brand="Hario", category="Glass"),
    )

    assert await found(shop, f"kettle {shop.suffix}") == {"one", "two"}
    assert await found(shop, f"{shop.suffix} KETTLE nambu") == {"one"}
    assert await found(shop, f"glass hari {shop.suffix}") == {"two"}
    assert await found(shop, f"kettle nambu glass {shop.suffix}") == set()


@pytest.mark.parametrize(
    ("name", "search"), [("Élan", "élan"), ("Élan", "ÉLAN"), ("ÇAY", "çay"), ("売り場の茶", "売り場"), ("Ünlü", "Ünlü")]
)
async def test_finds_letters_of_all_scripts_in_any_case(shop: Shop, name: str, search: str) -> None:
    await upsert(shop, "products", product(shop, "one", name=f"{name} {shop.suffix}"))

    assert await found(shop, f"{search} {shop.suffix}") == {"one"}


async def test_finds_a_product_by_sku_and_by_barcode(shop: Shop) -> None:
    await upsert(shop, "products", product(shop, "one", variant(shop, "Kettle-1", barcode=f"490{shop.suffix}")))

    assert await found(shop, shop.sku("Kettle-1")) == {"one"}
    assert await found(shop, f"490{shop.suffix}") == {"one"}
    assert await found(shop, f"49{shop.suffix}") == set()


@pytest.mark.parametrize("mark", ["%", "_", "/", "\\", "'", "%25"])
async def test_pattern_characters_match_literally(shop: Shop, mark: str) -> None:
    await upsert(
        shop,
        "products",
        product(shop, "with", name=f"100{mark}wool{shop.suffix}"),
        product(shop, "without", name=f"100xxwool{shop.suffix}"),
    )

    assert await found(shop, f"100{mark}wool{shop.suffix}") == {"with"}


async def test_filters_by_category(shop: Shop) -> None:
    tools = shop.code("Tools")
    await upsert(
        shop,
        "products",
        product(shop, "one", name=f"Saw {shop.suffix}", category=tools),
        product(shop, "two", name=f"Saw {shop.suffix}", category=shop.code("Toys")),
        product(shop, "three", name=f"Axe {shop.suffix}", category=tools),
    )

    assert await found(shop, category=tools) == {"one", "three"}
    assert await found(shop, search="saw", category=tools) == {"one"}
    assert await found(shop, category=shop.code("Tool")) == set()


async def test_pages_of_a_search_have_no_gaps_or_duplicates(shop: Shop) -> None:
    names = [f"p{n}" for n in range(7)]
    await upsert(shop, "products", *[product(shop, name, category=shop.code("All")) for name in names])

    seen: list[str] = []
    after, more = None, True
    while more:
        page = (await shop.guest().execute(PRODUCTS, c=shop.code("All"), n=3, a=after))["products"]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        seen += [edge["node"]["handle"] for edge in page["edges"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]

    assert seen == [shop.code(name) for name in names]


async def test_refuses_a_search_that_is_too_long(shop: Shop) -> None:
    with pytest.raises(Refused) as refused:
        await found(shop, "x" * 101)

    assert refused.value.codes == ["LIMIT_EXCEEDED"]


async def test_a_blank_search_returns_all_products(shop: Shop) -> None:
    data = await shop.guest().execute(PRODUCTS, s="   ", n=1)

    assert len(data["products"]["edges"]) == 1


async def test_discontinued_variants_are_marked(shop: Shop) -> None:
    await upsert(shop, "products", product(shop, "one", variant(shop, "one", discontinued=True)))

    data = await shop.guest().execute("query ($s: String) { variant(sku: $s) { discontinued } }", s=shop.sku("one"))

    assert data["variant"] == {"discontinued": True}


async def test_refuses_a_variant_query_without_exactly_one_argument(shop: Shop) -> None:
    query = "query ($s: String, $b: String) { variant(sku: $s, barcode: $b) { sku } }"

    assert (await shop.guest().execute(query, s="nothing"))["variant"] is None
    for given in ({}, {"s": shop.sku("TEA"), "b": "490"}):
        with pytest.raises(Refused) as refused:
            await shop.guest().execute(query, **given)
        assert refused.value.codes == ["INVALID"]
