"""Documents of orders and returns over the API and HTTP: of tills' sales, of checkouts, of guests' carts, of returns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.support.client import Client, Refused
from tests.support.documents import NUMBER, get_page, pdf_text, query_document, set_issuer
from tests.support.shop import ADDRESS, CHECKOUT, ERRORS, Shop
from uriba.core.ids import global_id, new_id
from uriba.db.statements import statement
from uriba.stored_value import points

SYNC = f"mutation ($i: PosSyncInput!) {{ posSync(input: $i) {{ results {{ status {ERRORS} }} {ERRORS} }} }}"
RETURN = f"""mutation ($i: OrderReturnInput!) {{
    orderReturn(input: $i) {{ orderReturn {{ id refund {{ amount }} }} {ERRORS} }} }}"""
EXCHANGE = f"""mutation ($i: OrderExchangeInput!) {{
    orderExchange(input: $i) {{ orderReturn {{ id }} exchange {{ id }} {ERRORS} }} }}"""
CANCEL = f"""mutation ($o: ID!, $l: [OrderLineUnitsInput!]) {{
    orderCancel(orderId: $o, lines: $l) {{ order {{ id }} {ERRORS} }} }}"""


async def report_sale(shop: Shop, till: Client, lines: list[dict[str, Any]], **given: Any) -> dict[str, Any]:
    """Report a sale of a till; return the order."""
    receipt = uuid4().hex[:12]
    fact = {
        "eventId": uuid4().hex,
        "sequence": 1,
        "type": "SALE",
        "occurredAt": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
        "receipt": receipt,
        "lines": lines,
        **given,
    }
    payload = await till.mutate(SYNC, i={"sentAt": datetime.now(UTC).isoformat(), "events": [fact]})
    assert [result["status"] for result in payload["results"]] == ["APPLIED"], payload
    data = await till.execute(
        "query ($r: String) { orders(receipt: $r) { edges { node { id number receipt lines { id sku } } } } }",
        r=receipt,
    )
    return data["orders"]["edges"][0]["node"]  # type: ignore[no-any-return]


async def check_out_shipping(shop: Shop, client: Client, channel: str | None = None, **units: int) -> dict[str, Any]:
    """Check out a cart that is to be shipped; return the order with its cart's id."""
    cart = await shop.create_cart(client, channel, **units)
    cart = (await shop.set_fulfillment(client, cart, "SHIP", address=ADDRESS))["cart"]
    payload = await shop.check_out(client, cart)
    assert not payload["errors"], payload
    return {**payload["order"], "cart": cart["id"]}


async def test_a_receipt_of_a_tills_sale_with_two_rates_a_discount_and_two_tenders(shop: Shop) -> None:
    await set_issuer(shop, "stores")
    till = await shop.terminal("S1")
    sale = await report_sale(
        shop,
        till,
        [
            {"sku": shop.sku("TEA"), "quantity": 3, "unitPrice": "648", "discount": "100"},
            {"sku": shop.sku("POT"), "quantity": 1, "unitPrice": "3300"},
        ],
        tenders=[
            {"method": "CASH", "amount": "144"},
            {"method": "CARD", "amount": "5000", "reference": "A-17"},
        ],
    )

    document = await query_document(till, order=sale["id"])

    assert (document["kind"], document["lang"], document["title"]) == ("RECEIPT", "ja", "領収書(適格簡易請求書)")
    assert (document["qualified"], document["issuer"]["registrationNumber"], document["issuer"]["place"]) == (
        True,
        NUMBER,
        "Shibuya",
    )
    assert (document["number"], document["receipt"], document["timezone"]) == (
        sale["number"],
        sale["receipt"],
        "Asia/Tokyo",
    )
    assert [
        (line["quantity"], line["discount"]["amount"], line["total"]["amount"], line["mark"])
        for line in document["lines"]
    ] == [
        (3, "100", "1844", "※"),
        (1, "0", "3300", None),
    ]
    # 1,844 at 8 %: 136.6 inside; 3,300 at 10 %: 300.
    assert [
        (t["rate"], t["gross"]["amount"], t["taxable"]["amount"], t["tax"]["amount"]) for t in document["taxes"]
    ] == [
        ("0.1", "3300", "3000", "300"),
        ("0.08", "1844", "1707", "137"),
    ]
    assert sorted((t["label"], t["amount"]["amount"], t["reference"]) for t in document["tenders"]) == [
        ("カード", "5000", "A-17"),
        ("現金", "144", None),
    ]
    assert document["totals"]["total"] == {"amount": "5144", "currency": "JPY"}


async def test_a_receipt_of_a_cash_checkout_shows_the_change(shop: Shop) -> None:
    await set_issuer(shop, "stores")
    await shop.receive(TEA_S1=5)
    till = await shop.terminal("S1")
    cart = await shop.create_cart(till, TEA=2)
    cash = {"amount": "1296", "currency": "JPY"}
    payload = await till.mutate(
        CHECKOUT,
        input={
            "cartId": cart["id"],
            "idempotencyKey": uuid4().hex,
            "payments": [{"method": "CASH", "amount": cash, "tendered": {**cash, "amount": "2000"}}],
        },
    )
    assert not payload["errors"], payload

    document = await query_document(till, order=payload["order"]["id"])
    paper = pdf_text((await get_page(till, document["url"].replace(".html", ".pdf") + "&paper=roll")).content)

    (tender,) = document["tenders"]
    assert (tender["tendered"]["amount"], tender["change"]["amount"]) == ("2000", "704")
    assert "現金 ￥1,296\nお預り ￥2,000\nお釣り ￥704" in paper


async def test_an_invoice_of_a_web_order_shows_shipping_and_the_buyer(shop: Shop) -> None:
    await set_issuer(shop, "web", locations=[shop.code("S1")])
    await shop.receive(TEA_S1=5)
    guest = shop.guest()
    order = await check_out_shipping(shop, guest, TEA=2)

    invoice = await query_document(guest, cart=order["cart"], kind="INVOICE")

    assert (invoice["title"], invoice["recipient"]) == ("適格請求書", ADDRESS["name"])
    assert (invoice["totals"]["shipping"]["amount"], invoice["totals"]["total"]["amount"]) == ("500", "1796")
    assert [(t["rate"], t["gross"]["amount"]) for t in invoice["taxes"]] == [("0.1", "500"), ("0.08", "1296")]
    # Without a store, the time zone is that of the channel's first location.
    assert invoice["timezone"] == "Asia/Tokyo"


async def test_a_receipt_shows_the_points_earned(shop: Shop) -> None:
    await set_issuer(shop, "app", pointsPerUnit="0.01")
    await shop.receive(POT_W1=1)
    hana = await shop.customer()
    order = await check_out_shipping(shop, hana, "app", POT=1)
    async with shop.hub.database.transaction() as session:
        row = await session.fetchrow(
            statement("SELECT id, customer_id, channel_id FROM orders WHERE number = :number"), number=order["number"]
        )
        assert row is not None
        # Points are earned once for an order.
        await points.earn(
            session,
            order_id=row["id"],
            customer_id=row["customer_id"],
            channel_id=row["channel_id"],
            currency="JPY",
            total_minor=3300,
            money_minor=3300,
            actor="staff:x",
        )

    document = await query_document(hana, order=order["id"], lang="en")

    assert document["points"] == 33
    assert "Points earned" in document["html"]
    assert (await query_document(hana, order=order["id"], kind="GIFT_RECEIPT"))["points"] == 0


async def test_a_receipt_shows_cancelled_units(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    hana = await shop.customer()
    order = await check_out_shipping(shop, hana, TEA=3)
    lines = [{"orderLineId": order["lines"][0]["id"], "quantity": 1}]
    assert not (await shop.staff.mutate(CANCEL, o=order["id"], l=lines))["errors"]

    document = await query_document(hana, order=order["id"], lang="en")
    gift = await query_document(hana, order=order["id"], kind="GIFT_RECEIPT")

    (line,) = document["lines"]
    assert (line["quantity"], line["cancelledQuantity"], line["total"]["amount"]) == (3, 1, "1944")
    totals = {name: amount["amount"] for name, amount in document["totals"].items()}
    assert (totals["total"], totals["notCharged"], totals["refunded"]) == ("1944", "0", "648")
    assert document["notes"][-1].startswith("Totals and taxes are those of the order as it was placed")
    assert "1 of these cancelled" in document["html"]
    assert [(one["quantity"], one["cancelledQuantity"]) for one in gift["lines"]] == [(2, 0)]


async def test_a_return_invoice_names_its_sale(shop: Shop) -> None:
    await set_issuer(shop, "stores")
    till, elsewhere = await shop.terminal("S1"), await shop.terminal("S2")
    units = [
        {"sku": shop.sku("TEA"), "quantity": 2, "unitPrice": "648"},
        {"sku": shop.sku("POT"), "quantity": 1, "unitPrice": "3300"},
    ]
    sale = await report_sale(shop, till, units, tenders=[{"method": "CASH", "amount": "4596"}])
    lines = [{"orderLineId": line["id"], "quantity": 1} for line in sale["lines"]]
    back = await elsewhere.mutate(RETURN, i={"orderId": sale["id"], "lines": lines, "idempotencyKey": uuid4().hex})
    assert not back["errors"], back

    document = await query_document(elsewhere, **{"return": back["orderReturn"]["id"]})
    paper = pdf_text((await get_page(elsewhere, document["url"].replace(".html", ".pdf"))).content)

    assert (document["kind"], document["title"], document["qualified"]) == ("RETURN", "適格返還請求書", True)
    assert (document["number"], document["issuer"]["place"]) == (sale["number"], "Sapporo")
    assert document["returnNumber"].startswith(f"{sale['number']}-R")
    assert document["soldAt"] < document["issuedAt"]
    assert [(t["rate"], t["gross"]["amount"], t["tax"]["amount"]) for t in document["taxes"]] == [
        ("0.1", "3300", "300"),
        ("0.08", "648", "48"),
    ]
    assert [(t["method"], t["amount"]["amount"]) for t in document["tenders"]] == [("CASH", "3948")]
    assert document["totals"]["total"]["amount"] == "3948" == back["orderReturn"]["refund"]["amount"]
    for expected in (
        "適格返還請求書",
        NUMBER,
        f"注文番号 {sale['number']}",
        "返品合計 ￥3,948",
        "※ 8%対象計(税込) ￥648",
    ):
        assert expected in paper


async def test_an_exchange_has_two_documents_that_name_each_other(shop: Shop) -> None:
    await shop.receive(TEA_S1=2, POT_S1=1)
    till = await shop.terminal("S1")
    old = (await shop.check_out(till, await shop.create_cart(till, TEA=1), method="CASH"))["order"]
    cart = await shop.create_cart(till, POT=1)
    difference = {"method": "CASH", "amount": {"amount": "2652", "currency": "JPY"}}
    done = await till.mutate(
        EXCHANGE,
        i={
            "orderId": old["id"],
            "lines": [{"orderLineId": old["lines"][0]["id"], "quantity": 1}],
            "cartId": cart["id"],
            "idempotencyKey": uuid4().hex,
            "payments": [difference],
        },
    )
    assert not done["errors"], done

    back = await query_document(till, **{"return": done["orderReturn"]["id"]})
    new = await query_document(till, order=done["exchange"]["id"])

    assert (back["exchange"], new["exchange"]) == (new["number"], old["number"])
    assert [(t["method"], t["amount"]["amount"]) for t in back["tenders"]] == [("EXCHANGE", "648")]
    assert [(t["label"], t["amount"]["amount"]) for t in new["tenders"]] == [("交換充当", "648"), ("現金", "2652")]


async def test_a_return_that_a_till_reported_has_a_plain_receipt(shop: Shop) -> None:
    await set_issuer(shop, "stores")
    till = await shop.terminal("S1")
    sale = await report_sale(shop, till, [{"sku": shop.sku("TEA"), "quantity": 2, "unitPrice": "648"}])
    fact = {
        "eventId": uuid4().hex,
        "sequence": 2,
        "type": "RETURN",
        "occurredAt": datetime.now(UTC).isoformat(),
        "originalReceipt": sale["receipt"],
        "lines": [{"sku": shop.sku("TEA"), "quantity": 1}],
        "tenders": [{"method": "CASH", "amount": "648"}],
    }
    await till.mutate(SYNC, i={"sentAt": datetime.now(UTC).isoformat(), "events": [fact]})
    found = await till.execute("query ($o: ID) { order(id: $o) { returns { id } } }", o=sale["id"])

    document = await query_document(till, **{"return": found["order"]["returns"][0]["id"]})

    assert document["totals"]["total"]["amount"] == "648"
    assert [(line["quantity"], line["sku"]) for line in document["lines"]] == [(1, shop.sku("TEA"))]
    if not document["taxes"]:
        assert (document["qualified"], document["title"]) == (False, "返品レシート")


async def test_a_gift_receipt_has_the_order_number_and_no_amount(shop: Shop) -> None:
    await set_issuer(shop, "stores")
    till = await shop.terminal("S1")
    sale = await report_sale(shop, till, [{"sku": shop.sku("CUP"), "quantity": 1, "unitPrice": "13582"}])

    gift = await query_document(till, order=sale["id"], kind="GIFT_RECEIPT", lang="en")
    files = [await get_page(till, gift["url"].replace(".html", form)) for form in (".html", ".pdf")]
    found = await till.execute("query ($n: String) { order(number: $n) { id } }", n=gift["number"])

    assert found["order"]["id"] == sale["id"]
    assert (gift["title"], gift["totals"], gift["taxes"], gift["tenders"]) == ("Gift receipt", None, [], [])
    assert [(line["name"], line["unitPrice"], line["total"]) for line in gift["lines"]] == [("Cup", None, None)]
    for text in (str(gift), files[0].text, pdf_text(files[1].content)):
        assert "13582" not in text and "13,582" not in text
        assert gift["number"] in text


async def test_actors_that_may_not_see_the_order_get_the_answer_for_an_unknown_one(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    hana = await shop.customer("HANA")
    order = await check_out_shipping(shop, hana, TEA=1)
    allowed = {
        "hana": hana,
        "till": await shop.terminal("S2"),
        "app": await shop.app("web"),
        "staff": shop.staff,
    }
    refused = {"guest": shop.guest(), "ken": await shop.customer("KEN")}
    of_order, of_cart, of_nothing = (
        f"/documents/orders/{order['id']}",
        f"/documents/carts/{order['cart']}",
        f"/documents/orders/{global_id('Order', new_id())}",
    )

    for client in allowed.values():
        assert (await query_document(client, order=order["id"]))["number"] == order["number"]
        for form in (".html", ".pdf"):
            assert [(await get_page(client, path + form)).status_code for path in (of_order, of_cart)] == [200, 200]
    for client in refused.values():
        assert [
            await query_document(client, **{of: order["id" if of == "order" else of]}) for of in ("order", "cart")
        ] == [None] * 2
        for form in (".html", ".pdf"):
            responses = [await get_page(client, path + form) for path in (of_order, of_cart, of_nothing)]
            assert {(a.status_code, a.content) for a in responses} == {(404, responses[0].content)}


async def test_a_guest_finds_the_document_by_the_cart(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest()
    order = await check_out_shipping(shop, guest, TEA=1)

    document = await query_document(guest, cart=order["cart"])
    response = await get_page(shop.guest(None), document["url"])

    assert (response.status_code, document["number"]) == (200, order["number"])
    assert order["number"] in response.text
    assert await query_document(guest, order=order["id"]) is None


async def test_an_open_cart_has_no_document(shop: Shop) -> None:
    guest = shop.guest()

    cart = await shop.create_cart(guest, TEA=1)

    assert await query_document(guest, cart=cart["id"]) is None


async def test_pages_are_private_and_run_no_scripts(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    order = await check_out_shipping(shop, shop.guest(), TEA=1)

    html, pdf = [await get_page(shop.staff, f"/documents/orders/{order['id']}.{form}") for form in ("html", "pdf")]

    policy = html.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    assert pdf.headers["content-type"].startswith("application/pdf")
    assert pdf.headers["content-disposition"] == f'inline; filename="receipt-{order["number"]}.pdf"'
    for response in (html, pdf):
        assert response.headers["cache-control"] == "private, no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("orders/{id}.html?kind=RETURN", 400),
        ("orders/{id}.html?kind=receipt", 400),
        ("orders/{id}.html?lang=fr", 400),
        ("orders/{id}.html?paper=A0", 400),
        ("orders/{id}.docx", 404),
        ("orders/{id}", 404),
        ("orders/.html", 404),
        ("orders/%00.html", 404),
        ("orders/%F0%9F%92%A5.pdf", 404),
        ("carts/{id}.html", 404),
        ("returns/{id}.html", 404),
        ("baskets/{id}.html", 404),
        ("orders/..%2F..%2Fhealth.html", 404),
    ],
)
async def test_refuses_invalid_paths_and_parameters(shop: Shop, path: str, status: int) -> None:
    await shop.receive(TEA_W1=5)
    order = await check_out_shipping(shop, shop.guest(), TEA=1)

    response = await get_page(shop.staff, f"/documents/{path.format(id=order['id'])}")

    assert response.status_code == status
    assert set(response.json()) == {"errors"}


async def test_a_forged_key_is_unauthenticated(shop: Shop) -> None:
    response = await get_page(shop.hub.client("uriba_staff_x_y"), "/documents/orders/x.html")

    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")


async def test_invalid_arguments_are_named(shop: Shop) -> None:
    for given, at in (({}, "orderId"), ({"order": "x", "cart": "x"}, "cartId"), ({"order": "x", "lang": "fr"}, "lang")):
        with pytest.raises(Refused) as refused:
            await query_document(shop.staff, **given)

        (error,) = refused.value.errors
        assert (error["extensions"]["code"], error["extensions"]["argument"]) == ("INVALID", [at])
    for given in ({"order": "x", "kind": "RETURN"}, {"return": "x", "kind": "INVOICE"}):
        with pytest.raises(Refused) as refused:
            await query_document(shop.staff, **given)
        assert refused.value.codes == ["INVALID"]
