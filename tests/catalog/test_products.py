"""Products and variants: created and changed by handle and SKU."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from tests.support.catalog_calls import codes, product, upsert, variant, variant_events
from tests.support.shop import Shop
from uriba.core.actor import Scope

VARIANT = """query ($s: String, $b: String) { variant(sku: $s, barcode: $b) {
    sku barcode name taxClass discontinued product { handle name description brand category variants { sku } } } }"""


async def found(shop: Shop, name: str) -> dict[str, Any] | None:
    return (await shop.guest().execute(VARIANT, s=shop.sku(name)))["variant"]  # type: ignore[no-any-return]


async def test_creates_a_product_with_its_variants(shop: Shop) -> None:
    given = product(
        shop,
        "MUG",
        variant(shop, "RED", barcode=shop.code("490")),
        variant(shop, "BLUE", taxClass="reduced", discontinued=True),
        description="Holds tea.",
        brand="Uriba",
        category="Kitchen",
    )

    payload = await upsert(shop, "products", given)

    assert payload == {"count": 1, "errors": []}
    red, blue = await found(shop, "RED"), await found(shop, "BLUE")
    assert red is not None and blue is not None
    assert red["product"] == blue["product"]
    assert red["product"] == {
        "handle": shop.code("mug"),
        "name": "Mug",
        "description": "Holds tea.",
        "brand": "Uriba",
        "category": "Kitchen",
        "variants": [{"sku": shop.sku("RED")}, {"sku": shop.sku("BLUE")}],
    }
    assert (red["barcode"], red["taxClass"], red["discontinued"]) == (shop.code("490"), "standard", False)
    assert (blue["barcode"], blue["taxClass"], blue["discontinued"]) == (None, "reduced", True)


async def test_only_changes_emit_an_event_once_per_variant(shop: Shop) -> None:
    mug = product(shop, "MUG", variant(shop, "RED"), variant(shop, "BLUE"))
    await upsert(shop, "products", mug)

    await upsert(shop, "products", mug)
    same = await variant_events(shop, "RED", "BLUE")
    await upsert(shop, "products", product(shop, "MUG", variant(shop, "RED", barcode=shop.code("1"))))

    assert same == {"RED": ["product.changed"], "BLUE": ["product.changed"]}
    assert await variant_events(shop, "RED", "BLUE") == {"RED": ["product.changed"] * 2, "BLUE": ["product.changed"]}


async def test_a_changed_product_emits_an_event_for_all_of_its_variants(shop: Shop) -> None:
    await upsert(shop, "products", product(shop, "MUG", variant(shop, "RED"), variant(shop, "BLUE")))

    await upsert(shop, "products", product(shop, "MUG", variant(shop, "RED"), category="Kitchen"))

    assert await variant_events(shop, "RED", "BLUE") == {
        "RED": ["product.changed"] * 2,
        "BLUE": ["product.changed"] * 2,
    }


async def test_a_change_of_variant_and_product_emits_one_event(shop: Shop) -> None:
    await upsert(shop, "products", product(shop, "MUG", variant(shop, "RED")))

    await upsert(shop, "products", product(shop, "MUG", variant(shop, "RED", discontinued=True), name="Beaker"))

    assert await variant_events(shop, "RED") == {"RED": ["product.changed"] * 2}


async def test_variants_that_are_not_in_the_call_stay(shop: Shop) -> None:
    await upsert(shop, "products", product(shop, "MUG", variant(shop, "RED"), variant(shop, "BLUE")))

    await upsert(shop, "products", product(shop, "MUG", variant(shop, "RED", discontinued=True)))

    blue = await found(shop, "BLUE")
    assert blue is not None and blue["discontinued"] is False


async def test_a_variant_can_move_to_another_product(shop: Shop) -> None:
    await upsert(shop, "products", product(shop, "MUG", variant(shop, "RED")), product(shop, "CAN"))

    await upsert(shop, "products", product(shop, "CAN", variant(shop, "RED")))

    red = await found(shop, "RED")
    assert red is not None and red["product"]["handle"] == shop.code("can")
    assert await variant_events(shop, "RED", "CAN") == {"RED": ["product.changed"] * 2, "CAN": ["product.changed"]}


async def test_reports_every_invalid_row_by_path_and_writes_none(shop: Shop) -> None:
    payload = await upsert(
        shop,
        "products",
        product(shop, "GOOD"),
        product(shop, "MUG", variant(shop, "GOOD"), name=" "),
        product(shop, "CAN", variant(shop, "RED", barcode="1"), variant(shop, "BLUE", barcode="1")),
        product(shop, "GOOD", variant(shop, "OTHER", name="x" * 201)),
    )

    assert codes(payload) == [
        ("INVALID", ("products", "1", "name")),
        ("INVALID", ("products", "3", "handle")),
        ("INVALID", ("products", "1", "variants", "0", "sku")),
        ("INVALID", ("products", "2", "variants", "1", "barcode")),
        ("INVALID", ("products", "3", "variants", "0", "name")),
    ]
    assert payload["count"] == 0
    assert await found(shop, "GOOD") is None


async def test_refuses_the_barcode_of_another_sku(shop: Shop) -> None:
    await upsert(shop, "products", product(shop, "MUG", variant(shop, "RED", barcode=shop.code("490"))))

    payload = await upsert(
        shop,
        "products",
        product(shop, "CAN"),
        product(shop, "POT2", variant(shop, "POT2"), variant(shop, "POT3", barcode=shop.code("490"))),
    )

    assert codes(payload) == [("INVALID", ("products", "1", "variants", "1", "barcode"))]
    assert shop.sku("RED") in payload["errors"][0]["message"]
    assert await found(shop, "CAN") is None


async def test_two_skus_can_swap_barcodes_in_one_call(shop: Shop) -> None:
    first, second = shop.code("1"), shop.code("2")
    await upsert(
        shop,
        "products",
        product(shop, "MUG", variant(shop, "RED", barcode=first), variant(shop, "BLUE", barcode=second)),
    )

    payload = await upsert(
        shop,
        "products",
        product(shop, "MUG", variant(shop, "RED", barcode=second), variant(shop, "BLUE", barcode=first)),
    )

    assert payload == {"count": 1, "errors": []}
    data = await shop.guest().execute(VARIANT, b=first)
    assert data["variant"]["sku"] == shop.sku("BLUE")
    assert await variant_events(shop, "RED", "BLUE") == {
        "RED": ["product.changed"] * 2,
        "BLUE": ["product.changed"] * 2,
    }


async def test_a_barcode_can_move_to_another_sku_in_one_call(shop: Shop) -> None:
    code = shop.code("1")
    await upsert(shop, "products", product(shop, "MUG", variant(shop, "RED", barcode=code)))

    payload = await upsert(
        shop, "products", product(shop, "MUG", variant(shop, "BLUE", barcode=code), variant(shop, "RED"))
    )

    assert payload == {"count": 1, "errors": []}
    assert (await shop.guest().execute(VARIANT, b=code))["variant"]["sku"] == shop.sku("BLUE")


async def test_refuses_more_than_a_thousand_products_or_variants(shop: Shop) -> None:
    wide = product(shop, "WIDE", *[variant(shop, f"WIDE{n}") for n in range(1_001)])

    assert codes(await upsert(shop, "products", *[product(shop, "MUG")] * 1_001)) == [("LIMIT_EXCEEDED", ("products",))]
    assert codes(await upsert(shop, "products", wide)) == [("LIMIT_EXCEEDED", ("products",))]


async def test_only_staff_and_apps_with_the_scope_change_master_data(shop: Shop) -> None:
    mutation = "mutation ($p: [ProductInput!]!) { productsUpsert(products: $p) { count } }"
    allowed = await shop.app("app", Scope.CATALOG)
    refused = [await shop.app("app"), await shop.terminal(), await shop.customer(), shop.guest()]

    assert (await upsert(shop, "products", product(shop, "MUG"), by=allowed))["count"] == 1
    answers = [await caller.post(mutation, p=[product(shop, "CAN")]) for caller in refused]

    assert [a["errors"][0]["extensions"]["code"] for a in answers] == ["FORBIDDEN"] * 3 + ["UNAUTHENTICATED"]
    assert await found(shop, "CAN") is None


async def test_concurrent_upserts_of_the_same_products_leave_one_of_the_inputs(shop: Shop) -> None:
    names = [f"P{n}" for n in range(12)]
    chance = random.Random(12)

    async def make(turn: int) -> dict[str, Any]:
        rows = [
            product(shop, name, variant(shop, name, barcode=shop.code(f"{name}{turn}")), brand=f"Brand {turn}")
            for name in chance.sample(names, len(names))
        ]
        return await upsert(shop, "products", *rows)

    payloads = await asyncio.gather(*(make(turn) for turn in range(8)))

    assert payloads == [{"count": 12, "errors": []}] * 8
    seen = [await found(shop, name) for name in names]
    assert len({row["product"]["brand"] for row in seen if row}) == 1
    assert {row["barcode"] for row in seen if row} == {
        shop.code(f"{name}{seen[0]['product']['brand'].split()[1]}")
        for name in names  # type: ignore[index]
    }


async def test_concurrent_claims_of_a_barcode_give_it_to_one_sku(shop: Shop) -> None:
    rows = [product(shop, name, variant(shop, name, barcode=shop.code("490"))) for name in ("A", "B", "C", "D")]

    payloads = await asyncio.gather(*(upsert(shop, "products", row) for row in rows))

    assert sorted(payload["count"] for payload in payloads) == [0, 0, 0, 1]
    assert all(not p["errors"] or codes(p)[0][0] == "INVALID" for p in payloads)


async def test_concurrent_upserts_of_products_and_prices_do_not_deadlock(shop: Shop) -> None:
    """Both lock variants, and both lock them in the same order."""
    # Made in one order and named in the other: the order of ids is not that of SKUs.
    names = [f"V{n:02}" for n in range(30)]
    for name in reversed(names):
        await upsert(shop, "products", product(shop, name))

    async def change_products(turn: int) -> dict[str, Any]:
        return await upsert(shop, "products", *[product(shop, name, brand=f"{turn}") for name in names])

    async def change_prices(turn: int) -> dict[str, Any]:
        rows = [{"sku": shop.sku(n), "amount": {"amount": f"{turn + 1}", "currency": "JPY"}} for n in names]
        return await upsert(shop, "prices", *rows)

    payloads = await asyncio.gather(
        *(change(turn) for turn in range(10) for change in (change_products, change_prices))
    )

    assert [payload["errors"] for payload in payloads] == [[]] * 20


async def test_product_changes_do_not_wait_for_new_cart_lines(shop: Shop) -> None:
    """A new cart line locks its variant's row FOR KEY SHARE, which does not conflict with an update."""
    await upsert(shop, "products", product(shop, "MUG"))

    async with shop.hub.database.transaction() as session:
        await session.fetchval("SELECT id FROM variant WHERE sku = $1 FOR KEY SHARE", shop.sku("MUG"))
        payload = await upsert(shop, "products", product(shop, "MUG", variant(shop, "MUG", barcode=shop.code("1"))))

    assert payload == {"count": 1, "errors": []}
