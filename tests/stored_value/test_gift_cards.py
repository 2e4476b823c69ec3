"""Gift cards: no debit above the balance, no refund above the debit, and a code that is returned once."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from tests.support.stored_value import (
    ACTOR,
    Issued,
    balance,
    card_ledger,
    code,
    debit_and_commit,
    issue_card,
    refund,
    undo_debits,
)
from uriba.core import clock
from uriba.core.errors import Code, DomainError, IdempotencyKeyReused, Invalid, InvalidState
from uriba.core.ids import new_id
from uriba.db import idempotency
from uriba.db.idempotency import Call, Replayed
from uriba.stored_value import codes, gift_cards, tenders
from uriba.stored_value.errors import GiftCardRefused, InsufficientBalance

if TYPE_CHECKING:
    from tests.support.shop import Shop

CARD = "GIFT_CARD"


async def test_a_payment_lowers_the_balance_and_writes_an_entry(shop: Shop) -> None:
    issued = await issue_card(shop, "1000")

    (reference,) = await debit_and_commit(shop, (CARD, 300, code(issued)))

    assert reference == f"****{codes.last4(code(issued))} {issued.id}"
    assert await balance(shop, issued) == 700
    assert await card_ledger(shop, issued) == [("ISSUE", 1000), ("REDEEM", -300)]


async def test_case_spaces_hyphens_and_similar_letters_of_a_code_do_not_matter(shop: Shop) -> None:
    issued = await issue_card(shop, "1000", code="ABCD-1010-7777-WXYZ")

    await debit_and_commit(shop, (CARD, 1, " abcd loio 7777-wxyz"))

    assert await balance(shop, issued) == 999


async def test_stores_only_the_digest_of_a_code(shop: Shop) -> None:
    issued = await issue_card(shop)

    async with shop.hub.database.reading() as session:
        row = await session.fetchrow(
            "SELECT c::text AS written, digest, last4 FROM gift_card c WHERE id = $1", issued.id
        )

    assert row is not None
    assert row["digest"] == codes.digest(code(issued))
    assert row["last4"] == codes.normalize(code(issued))[-4:]
    assert code(issued) not in row["written"]
    assert codes.normalize(code(issued)) not in row["written"]


def test_generates_long_random_codes_in_groups() -> None:
    made = {codes.generate() for _ in range(1000)}

    assert len(made) == 1000
    assert all(len(one) == 24 and [len(group) for group in one.split("-")] == [4] * 5 for one in made)
    assert all(set(codes.normalize(one)) <= set(codes.ALPHABET) for one in made)
    assert len(codes.ALPHABET) == 32


@pytest.mark.parametrize("given", ["", "ABCD", "U" * 16, "1" * 41, "ABCD-1010-7777-WXY💥", "ABCD-1010-7777-WXY*"])
async def test_refuses_a_printed_code_with_a_wrong_format(shop: Shop, given: str) -> None:
    with pytest.raises(Invalid) as refused:
        await issue_card(shop, code=given)

    assert refused.value.problems[0].path == ("code",)


async def test_refuses_a_printed_code_of_another_card(shop: Shop) -> None:
    given = codes.generate()
    await issue_card(shop, code=given)

    with pytest.raises(Invalid) as refused:
        await issue_card(shop, code=given.lower().replace("-", " "))

    assert refused.value.problems[0].path == ("code",)


@pytest.mark.parametrize(
    ("amount", "currency"), [("0", "JPY"), ("-5", "JPY"), ("1.5", "JPY"), ("x", "JPY"), ("5", "XXQ"), ("1e3", "USD")]
)
async def test_refuses_to_issue_a_card_with_an_invalid_amount(shop: Shop, amount: str, currency: str) -> None:
    with pytest.raises(Invalid):
        await issue_card(shop, amount, currency)


async def test_refuses_to_issue_a_card_that_has_expired(shop: Shop) -> None:
    with pytest.raises(Invalid) as refused:
        await issue_card(shop, expires_at=clock.now())

    assert refused.value.problems[0].path == ("expiresAt",)


async def test_a_repeated_issue_returns_the_same_card_without_its_code(shop: Shop) -> None:
    ids = [new_id(), new_id()]

    async def issue(card_id: UUID, content: dict[str, str]) -> str | Replayed:
        call = Call.of(caller=shop.suffix, operation="giftCardIssue", key="k", content=content)
        work = partial(gift_cards.issue, card_id=card_id, amount="500", currency="JPY", actor=ACTOR)
        return await idempotency.once(shop.hub.database, call, work, answer=str(card_id))

    code, again = [await issue(card_id, {"amount": "500"}) for card_id in ids]
    with pytest.raises(IdempotencyKeyReused):
        await issue(ids[1], {"amount": "501"})

    assert isinstance(code, str) and again == Replayed(str(ids[0]))
    assert await card_ledger(shop, Issued(ids[0], code)) == [("ISSUE", 500)]


async def test_all_unusable_cards_get_the_same_message(shop: Shop) -> None:
    blocked, expired, dollars = await issue_card(shop), await issue_card(shop), await issue_card(shop, "10", "USD")
    async with shop.hub.database.transaction() as session:
        await gift_cards.block(session, blocked.id, blocked=True)
        await session.run("UPDATE gift_card SET expires_at = now() WHERE id = $1", expired.id)

    problems = []
    for wrong in (code(blocked), code(expired), code(dollars), codes.generate(), "x", "💥", "' OR 1=1"):
        with pytest.raises(GiftCardRefused) as refused:
            await debit_and_commit(shop, (CARD, 5, wrong))
        problems.append(refused.value.problems)

    (problem,) = {problem for (problem,) in problems}
    assert (problem.code, problem.path) == (Code.PAYMENT_DECLINED, ("payments", "0", "token"))
    assert [await balance(shop, one) for one in (blocked, expired, dollars)] == [1000, 1000, 1000]


async def test_a_refusal_for_a_low_balance_states_the_balance(shop: Shop) -> None:
    issued = await issue_card(shop, "1000")

    with pytest.raises(InsufficientBalance, match=r"The balance of this gift card is ¥1,000\."):
        await debit_and_commit(shop, (CARD, 1001, code(issued)))

    assert await balance(shop, issued) == 1000


async def test_several_cards_pay_all_or_nothing(shop: Shop) -> None:
    first, second = await issue_card(shop, "1000"), await issue_card(shop, "500")

    with pytest.raises(InsufficientBalance) as refused:
        await debit_and_commit(shop, (CARD, 900, code(first)), (CARD, 501, code(second)))
    references = await debit_and_commit(shop, (CARD, 900, code(first)), (CARD, 500, code(second)))

    assert refused.value.problems[0].path == ("payments", "1", "token")
    assert [gift_cards.card_id_of(one) for one in references] == [first.id, second.id]
    assert [await balance(shop, one) for one in (first, second)] == [100, 0]


async def test_two_payments_with_one_card_are_one_entry_of_their_sum(shop: Shop) -> None:
    issued = await issue_card(shop, "1000")

    with pytest.raises(InsufficientBalance):
        await debit_and_commit(shop, (CARD, 600, code(issued)), (CARD, 600, code(issued)))
    references = await debit_and_commit(shop, (CARD, 600, code(issued)), (CARD, 400, code(issued)))

    assert references[0] == references[1]
    assert await card_ledger(shop, issued) == [("ISSUE", 1000), ("REDEEM", -1000)]


async def test_undoing_debits_credits_the_cards_once(shop: Shop) -> None:
    first, second, order_id = await issue_card(shop, "1000"), await issue_card(shop, "500"), new_id()
    await debit_and_commit(shop, (CARD, 900, code(first)), (CARD, 500, code(second)), order_id=order_id)

    for _ in range(3):
        await undo_debits(shop, order_id)
    await undo_debits(shop, new_id())

    assert [await balance(shop, one) for one in (first, second)] == [1000, 500]
    assert await card_ledger(shop, first) == [("ISSUE", 1000), ("REDEEM", -900), ("GIVE_BACK", 900)]


async def test_a_refund_is_posted_once_per_operation_and_never_above_the_debit(shop: Shop) -> None:
    issued, order_id, operation = await issue_card(shop, "1000"), new_id(), uuid4()
    (reference,) = await debit_and_commit(shop, (CARD, 900, code(issued)), order_id=order_id)

    for _ in range(2):
        await refund(shop, order_id, CARD, reference, 400, operation)
    with pytest.raises(InvalidState):
        await refund(shop, order_id, CARD, reference, 501)
    await refund(shop, order_id, CARD, reference, 500)
    with pytest.raises(InvalidState):
        await refund(shop, order_id, CARD, reference, 1)

    assert await balance(shop, issued) == 1000
    assert await card_ledger(shop, issued) == [("ISSUE", 1000), ("REDEEM", -900), ("REFUND", 400), ("REFUND", 500)]


async def test_refuses_a_refund_for_another_order(shop: Shop) -> None:
    issued = await issue_card(shop, "1000")
    (reference,) = await debit_and_commit(shop, (CARD, 900, code(issued)))

    with pytest.raises(InvalidState):
        await refund(shop, new_id(), CARD, reference, 1)

    assert await balance(shop, issued) == 100


async def test_a_refund_extends_an_expired_card(shop: Shop) -> None:
    issued, order_id = await issue_card(shop, "1000", expires_at=clock.now() + timedelta(days=1)), new_id()
    (reference,) = await debit_and_commit(shop, (CARD, 900, code(issued)), order_id=order_id)
    async with shop.hub.database.transaction() as session:
        await session.run("UPDATE gift_card SET expires_at = now() - interval '1 day' WHERE id = $1", issued.id)

    await refund(shop, order_id, CARD, reference, 900)
    await debit_and_commit(shop, (CARD, 1000, code(issued)))

    assert await balance(shop, issued) == 0


async def test_a_refund_leaves_a_blocked_card_blocked(shop: Shop) -> None:
    issued, order_id = await issue_card(shop, "1000"), new_id()
    (reference,) = await debit_and_commit(shop, (CARD, 900, code(issued)), order_id=order_id)
    async with shop.hub.database.transaction() as session:
        await gift_cards.block(session, issued.id, blocked=True)

    await refund(shop, order_id, CARD, reference, 900)
    with pytest.raises(GiftCardRefused):
        await debit_and_commit(shop, (CARD, 1, code(issued)))
    async with shop.hub.database.transaction() as session:
        await gift_cards.block(session, issued.id, blocked=False)
    await debit_and_commit(shop, (CARD, 1, code(issued)))

    assert await balance(shop, issued) == 999


@pytest.mark.parametrize("changed", ["-1001", "0", "0.5"])
async def test_refuses_an_adjustment_of_zero_or_below_a_zero_balance(shop: Shop, changed: str) -> None:
    issued = await issue_card(shop, "1000")

    with pytest.raises(DomainError) as refused:
        await _adjust(shop, issued.id, changed)

    assert refused.value.problems[0].path == ("amount", "amount")
    assert await balance(shop, issued) == 1000


async def test_an_adjustment_changes_the_balance_and_writes_an_entry(shop: Shop) -> None:
    issued = await issue_card(shop, "1000")

    await _adjust(shop, issued.id, "-400")
    await _adjust(shop, issued.id, "50")

    assert await card_ledger(shop, issued) == [("ISSUE", 1000), ("ADJUST", -400), ("ADJUST", 50)]
    assert await balance(shop, issued) == 650


async def _adjust(shop: Shop, card_id: UUID, amount: str) -> None:
    async with shop.hub.database.transaction() as session:
        await gift_cards.adjust(
            session, card_id=card_id, amount=amount, currency="JPY", reason="a mistake", actor=ACTOR
        )


@pytest.mark.parametrize(
    ("method", "token", "path"),
    [
        (CARD, None, ("payments", "2", "token")),
        (CARD, "", ("payments", "2", "token")),
        (CARD, "  ", ("payments", "2", "token")),
        (CARD, "7" * 65, ("payments", "2", "token")),
        ("POINTS", "7", ("payments", "2", "token")),
    ],
)
def test_refuses_a_token_that_does_not_fit_the_method(method: str, token: str | None, path: tuple[str, ...]) -> None:
    with pytest.raises(Invalid) as refused:
        tenders.check(method, token, "payments", 2)

    assert refused.value.problems[0].path == path


@pytest.mark.parametrize(
    ("method", "reference", "expected"),
    [
        (CARD, "****1234 01890a5d-ac96-774b-bcce-b302099a8057", True),
        (CARD, "****1234", False),
        (CARD, "card 77", False),
        (CARD, None, False),
        ("POINTS", "30 points", True),
        ("POINTS", "till 7", False),
        ("CASH", "30 points", False),
    ],
)
def test_what_a_till_took_from_cards_that_only_it_knows_is_not_expected(
    method: str, reference: str | None, expected: bool
) -> None:
    assert tenders.is_in_ledger(method, reference) is expected
