"""Parts of the hub that are not installed: nothing imports them at the start, and what needs one says so."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from tests.support.client import Refused
from tests.support.documents import get_page
from tests.support.export_calls import get_export, place_order
from tests.support.shop import Shop
from uriba.config import Settings, UnsafeSettings
from uriba.core.errors import NotInstalled
from uriba.core.extras import extra

OPTIONAL = {
    "stripe": ("stripe",),
    "documents": ("jinja2", "reportlab", "segno"),
    "exports": ("pyarrow",),
}
"""The packages of each extra."""

OUR_MODULES = ("uriba.documents.html", "uriba.documents.pdf", "uriba.documents.qr_code", "uriba.exports.parquet_format")

Uninstall = Callable[[str], None]


@pytest.fixture
def uninstall(monkeypatch: pytest.MonkeyPatch) -> Uninstall:
    """Let imports of an extra's packages fail, as if they were not installed."""

    def block(name: str) -> None:
        for module in [loaded for loaded in sys.modules if loaded.partition(".")[0] in OPTIONAL[name]]:
            monkeypatch.delitem(sys.modules, module)
        for package in OPTIONAL[name]:
            monkeypatch.setitem(sys.modules, package, None)  # type: ignore[arg-type]
        for module in OUR_MODULES:
            monkeypatch.delitem(sys.modules, module, raising=False)

    return block


@pytest.mark.engines
@pytest.mark.parametrize("module", ["uriba.api_server", "uriba.worker.runner", "uriba.cli"])
def test_the_processes_import_no_optional_package(module: str) -> None:
    packages = {package for names in OPTIONAL.values() for package in names} | {"sqlalchemy.orm", "alembic"}
    program = f"import sys, {module}; print(sorted({packages!r} & set(sys.modules)))"

    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert imported.stdout == "[]\n"


def test_a_missing_module_of_our_own_is_a_fault_and_not_an_extra() -> None:
    with pytest.raises(ModuleNotFoundError), extra("documents"):
        import uriba.no_such_module  # type: ignore[import-not-found]  # noqa: F401


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(NotInstalled) as refused, extra("documents"):
        import no_such_package.part  # type: ignore[import-not-found]  # noqa: F401

    assert str(refused.value) == (
        "This needs the package no_such_package, which is not installed on the hub. Its operator installs it with: "
        "pip install 'uriba[documents]'"
    )


async def test_pages_and_pdfs_need_the_documents_and_their_content_does_not(shop: Shop, uninstall: Uninstall) -> None:
    await shop.receive(TEA_W1=5)
    order = await place_order(shop, shop.guest(), TEA=1)
    uninstall("documents")

    for file_format in ("html", "pdf"):
        response = await get_page(shop.staff, f"/documents/orders/{order['id']}.{file_format}")
        assert response.status_code == 501
        (error,) = response.json()["errors"]
        assert error["extensions"]["code"] == "NOT_INSTALLED"
        assert error["message"].endswith("pip install 'uriba[documents]'")

    query = "query($id: ID!) { document(orderId: $id) { number %s } }"
    with pytest.raises(Refused) as refused:
        await shop.staff.execute(query % "html", id=order["id"])
    assert refused.value.codes == ["NOT_INSTALLED"]
    document = (await shop.staff.execute(query % "lines { name }", id=order["id"]))["document"]
    assert document == {"number": order["number"], "lines": [{"name": document["lines"][0]["name"]}]}


async def test_parquet_needs_the_exports_and_csv_does_not(shop: Shop, uninstall: Uninstall) -> None:
    uninstall("exports")

    response = await get_export(shop.staff, "stock.parquet")

    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (501, "NOT_INSTALLED")
    assert (await get_export(shop.staff, "stock.csv")).status_code == 200


def test_a_key_of_stripe_needs_its_package_before_the_hub_starts(uninstall: Uninstall) -> None:
    settings = Settings(stripe_secret_key=SecretStr("sk_test_1"))
    assert settings.check() is settings
    uninstall("stripe")

    with pytest.raises(UnsafeSettings, match=r"URIBA_STRIPE_SECRET_KEY needs .* pip install 'uriba\[stripe\]'"):
        settings.check()
