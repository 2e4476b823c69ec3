"""promotionsUpsert and couponsUpsert: whole rows by code, all or none; refusals name the field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.shop import ERRORS, Shop

UPSERT_PROMOTIONS = f"mutation ($p: [PromotionInput!]!) {{ promotionsUpsert(promotions: $p) {{ count {ERRORS} }} }}"
UPSERT_COUPONS = f"mutation ($c: [CouponInput!]!) {{ couponsUpsert(coupons: $c) {{ count {ERRORS} }} }}"
READ = """query ($code: String!) { promotion(code: $code) {
    code name effect percent amount { amount currency } buyUnits getUnits minAmount { amount } minUnits
    maxDiscount { amount } maxUnits channels validFrom validTo priority stacking stackingGroup needsCoupon active
    items { namedCount categories brands named { edges { node { sku variant { name } } } } }
    rewards { namedCount named { edges { node { sku } } } }
    coupons { edges { node { code usageLimit perCustomerLimit used active } } }
} }"""
LEAST = {"name": "Tenth", "effect": "PERCENT_OFF_ITEMS", "percent": "10"}


def yen(amount: str, currency: str = "JPY") -> dict[str, str]:
    return {"amount": amount, "currency": currency}


def refused(payload: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the code of each error and its path below the row."""
    return [(error["code"], ".".join(error["path"][2:])) for error in payload["errors"]]


async def test_an_upsert_replaces_the_whole_promotion(shop: Shop) -> None:
    whole = {
        "code": shop.code("WHOLE"),
        "name": "Buy two teas, get a cup",
        "effect": "BUY_X_GET_Y",
        "percent": "12.5",
        "buyUnits": 2,
        "getUnits": 1,
        "items": {"skus": [shop.sku("TEA"), shop.sku("POT")], "categories": ["Tea"], "brands": ["Kyo"]},
        "rewards": {"skus": [shop.sku("CUP")]},
        "minAmount": yen("1000"),
        "minUnits": 2,
        "maxDiscount": yen("500"),
        "maxUnits": 3,
        "channels": [shop.code("web"), shop.code("app")],
        "validFrom": "2026-01-01T09:00:00+09:00",
        "validTo": "9998-01-01T00:00:00+00:00",
        "priority": 7,
        "stacking": "EXCLUSIVE_IN_GROUP",
        "stackingGroup": "spring",
        "needsCoupon": True,
        "active": False,
    }
    assert await shop.staff.mutate(UPSERT_PROMOTIONS, p=[whole]) == {"count": 1, "errors": []}
    coupon = {"code": shop.code("C").lower(), "promotion": whole["code"], "usageLimit": 5, "perCustomerLimit": 2}
    assert (await shop.staff.mutate(UPSERT_COUPONS, c=[coupon]))["errors"] == []

    read = (await shop.staff.execute(READ, code=whole["code"]))["promotion"]

    named = {"edges": [{"node": {"sku": shop.sku(n), "variant": {"name": n.title()}}} for n in ("TEA", "POT")]}
    assert read == whole | {
        "amount": None,
        "minAmount": {"amount": "1000"},
        "maxDiscount": {"amount": "500"},
        "channels": [shop.code("app"), shop.code("web")],
        "validFrom": "2026-01-01T00:00:00+00:00",
        "items": {"namedCount": 2, "categories": ["Tea"], "brands": ["Kyo"], "named": named},
        "rewards": {"namedCount": 1, "named": {"edges": [{"node": {"sku": shop.sku("CUP")}}]}},
        "coupons": {
            "edges": [
                {
                    "node": {
                        "code": shop.code("C").upper(),
                        "usageLimit": 5,
                        "perCustomerLimit": 2,
                        "used": 0,
                        "active": True,
                    }
                }
            ]
        },
    }

    await shop.staff.mutate(
        UPSERT_PROMOTIONS, p=[LEAST | {"code": whole["code"], "channels": [], "items": {"skus": [shop.sku("TEA")]}}]
    )
    read = (await shop.staff.execute(READ, code=whole["code"]))["promotion"]

    assert (read["percent"], read["minUnits"], read["stackingGroup"], read["rewards"]) == ("10", None, None, None)
    assert [edge["node"]["sku"] for edge in read["items"]["named"]["edges"]] == [shop.sku("TEA")]
    assert (read["channels"], read["active"]) == ([], True)


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"code": " "}, "INVALID", "code"),
        ({"name": "x" * 201}, "INVALID", "name"),
        ({"percent": None}, "INVALID", "percent"),
        ({"percent": "0"}, "INVALID", "percent"),
        ({"percent": "-5"}, "INVALID", "percent"),
        ({"percent": "100.01"}, "INVALID", "percent"),
        ({"percent": "1e1"}, "INVALID", "percent"),
        ({"percent": "0.001"}, "INVALID", "percent"),
        ({"amount": yen("5")}, "INVALID", "amount"),
        ({"effect": "AMOUNT_OFF_ORDER"}, "INVALID", "percent"),
        ({"effect": "AMOUNT_OFF_ORDER", "percent": None}, "INVALID", "amount"),
        ({"effect": "AMOUNT_OFF_ORDER", "percent": None, "amount": yen("0")}, "INVALID", "amount.amount"),
        ({"effect": "AMOUNT_OFF_ORDER", "percent": None, "amount": yen("-1")}, "INVALID", "amount.amount"),
        ({"effect": "AMOUNT_OFF_ORDER", "percent": None, "amount": yen("1.5")}, "INVALID", "amount.amount"),
        ({"effect": "AMOUNT_OFF_ORDER", "percent": None, "amount": yen("1", "YEN")}, "INVALID", "amount.currency"),
        ({"effect": "FREE_SHIPPING"}, "INVALID", "percent"),
        ({"effect": "BUY_X_GET_Y"}, "INVALID", "buyUnits"),
        ({"effect": "BUY_X_GET_Y", "buyUnits": 2, "getUnits": 0}, "INVALID", "getUnits"),
        ({"buyUnits": 1}, "INVALID", "buyUnits"),
        ({"rewards": {"brands": ["Kyo"]}}, "INVALID", "rewards"),
        ({"items": {"skus": ["no-such"]}}, "NOT_FOUND", "items.skus.0"),
        ({"items": {"categories": ["Tea", ""]}}, "INVALID", "items.categories.1"),
        ({"items": {"brands": ["x"] * 101}}, "LIMIT_EXCEEDED", "items.brands"),
        ({"minAmount": yen("5"), "maxDiscount": yen("5", "USD")}, "CURRENCY_MISMATCH", "maxDiscount.currency"),
        ({"minAmount": yen("5.00", "USD")}, "CURRENCY_MISMATCH", "channels.0"),
        ({"minUnits": 0}, "INVALID", "minUnits"),
        ({"maxUnits": -1}, "INVALID", "maxUnits"),
        ({"effect": "PERCENT_OFF_ORDER", "maxUnits": 1}, "INVALID", "maxUnits"),
        ({"channels": ["no-such"]}, "NOT_FOUND", "channels.0"),
        ({"validFrom": "2026-01-02T00:00:00Z", "validTo": "2026-01-02T00:00:00Z"}, "INVALID", "validTo"),
        ({"validTo": "9999-12-31T23:59:59-12:00"}, "INVALID", "validTo"),
        ({"validFrom": "0001-01-01T00:00:00+14:00"}, "INVALID", "validFrom"),
        ({"stacking": "EXCLUSIVE_IN_GROUP"}, "INVALID", "stackingGroup"),
        ({"stackingGroup": "spring"}, "INVALID", "stackingGroup"),
        ({"priority": 1_000_001}, "INVALID", "priority"),
    ],
)
async def test_refuses_an_invalid_promotion(shop: Shop, given: dict[str, Any], code: str, path: str) -> None:
    good = LEAST | {"code": shop.code("GOOD"), "channels": [shop.code("web")]}
    bad = LEAST | {"code": shop.code("BAD"), "channels": [shop.code("web")]} | given

    payload = await shop.staff.mutate(UPSERT_PROMOTIONS, p=[bad, good])

    assert (payload["count"], refused(payload)) == (0, [(code, path)])
    assert (await shop.staff.execute(READ, code=good["code"]))["promotion"] is None


async def test_refuses_duplicate_rows_and_too_many_rows(shop: Shop) -> None:
    row = LEAST | {"code": shop.code("TWICE"), "channels": []}

    twice = await shop.staff.mutate(UPSERT_PROMOTIONS, p=[row, row | {"code": f" {row['code']} "}])
    many = await shop.staff.mutate(UPSERT_PROMOTIONS, p=[row | {"items": {"skus": ["x"] * 20_001}}])
    rows = await shop.staff.mutate(UPSERT_PROMOTIONS, p=[row] * 1_001)

    assert [error["path"] for error in twice["errors"]] == [["promotions", "1", "code"]]
    assert ("LIMIT_EXCEEDED", "items.skus") in refused(many)
    assert [(e["code"], e["path"]) for e in rows["errors"]] == [("LIMIT_EXCEEDED", ["promotions"])]


async def test_a_channel_has_at_most_two_hundred_promotions_without_a_coupon(shop: Shop) -> None:
    rows = [LEAST | {"code": shop.code(f"N{n}"), "channels": [shop.code("web")]} for n in range(201)]

    crowded = await shop.staff.mutate(UPSERT_PROMOTIONS, p=rows)
    with_coupons = await shop.staff.mutate(UPSERT_PROMOTIONS, p=[row | {"needsCoupon": True} for row in rows])
    some = await shop.staff.mutate(UPSERT_PROMOTIONS, p=rows[:200])

    assert refused(crowded) == [("LIMIT_EXCEEDED", "")]
    assert (with_coupons["count"], some["count"]) == (201, 200)


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"code": "  "}, "INVALID", "code"),
        ({"code": "x" * 65}, "INVALID", "code"),
        ({"promotion": "no-such"}, "NOT_FOUND", "promotion"),
        ({"promotion": "AUTO"}, "INVALID", "promotion"),
        ({"usageLimit": 0}, "INVALID", "usageLimit"),
        ({"usageLimit": 1_000_000_001}, "INVALID", "usageLimit"),
        ({"perCustomerLimit": -1}, "INVALID", "perCustomerLimit"),
        ({"code": "TAKEN", "promotion": "OTHER"}, "INVALID", ""),
        ({"code": "USED", "usageLimit": 2}, "INVALID", ""),
    ],
)
async def test_refuses_an_invalid_coupon(shop: Shop, given: dict[str, Any], code: str, path: str) -> None:
    promotions = [
        LEAST | {"code": shop.code(name), "channels": [], "needsCoupon": name != "AUTO"}
        for name in ("ASKED", "OTHER", "AUTO")
    ]
    assert (await shop.staff.mutate(UPSERT_PROMOTIONS, p=promotions))["count"] == 3
    kept = [{"code": shop.code(name), "promotion": shop.code("ASKED")} for name in ("TAKEN", "USED")]
    assert (await shop.staff.mutate(UPSERT_COUPONS, c=kept))["count"] == 2
    async with shop.hub.database.transaction() as session:
        await session.run("UPDATE coupon SET used = 3 WHERE code = $1", shop.code("USED").upper())
    ours = {"TAKEN", "USED", "OTHER", "AUTO"}
    given = {name: shop.code(value) if value in ours else value for name, value in given.items()}

    payload = await shop.staff.mutate(
        UPSERT_COUPONS, c=[{"code": shop.code("BAD"), "promotion": shop.code("ASKED")} | given]
    )

    assert (payload["count"], refused(payload)) == (0, [(code, path)])
    async with shop.hub.database.transaction() as session:
        await session.run("UPDATE coupon SET used = 0 WHERE code = $1", shop.code("USED").upper())


async def test_promotions_their_skus_and_coupons_have_pages(shop: Shop) -> None:
    named = [shop.sku(name) for name in ("TEA", "POT", "CUP")]
    row = LEAST | {"code": shop.code("PAGED"), "channels": [], "needsCoupon": True, "items": {"skus": named}}
    await shop.staff.mutate(UPSERT_PROMOTIONS, p=[row])
    await shop.staff.mutate(
        UPSERT_COUPONS, c=[{"code": shop.code(f"C{n}"), "promotion": row["code"]} for n in range(3)]
    )

    async def page(field: str, after: str | None) -> dict[str, Any]:
        goods = "items { {} }" if field == "named" else "{}"
        inner = f"{field}(first: 2, after: $after) {{ edges {{ node {{ __typename }} }} pageInfo {{ hasNextPage endCursor }} }}"
        document = "query ($code: String!, $after: String) { promotion(code: $code) { " + goods.replace("{}", inner)
        found = (await shop.staff.execute(document + " } }", code=row["code"], after=after))["promotion"]
        return (found["items"] if field == "named" else found)[field]  # type: ignore[no-any-return]

    for field in ("named", "coupons"):
        first = await page(field, None)
        second = await page(field, first["pageInfo"]["endCursor"])
        assert [len(found["edges"]) for found in (first, second)] == [2, 1]
        assert [found["pageInfo"]["hasNextPage"] for found in (first, second)] == [True, False]
    listed = await shop.staff.execute("{ promotions(first: 1) { edges { node { code } } pageInfo { hasNextPage } } }")
    assert len(listed["promotions"]["edges"]) == 1
