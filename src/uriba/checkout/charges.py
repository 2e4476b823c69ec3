"""Charging: what is asked of payment providers for an attempt. Nothing here is in a transaction of the hub's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from uriba.checkout.gateways import Answer, ChargeState, Declined, PaymentGateway
from uriba.checkout.payment_attempts import Attempt, Charge

REFUSED = "The payment was refused in its second step."


class ActionNeeded(Exception):
    """The customer has to do something before this charge of the attempt stands."""

    def __init__(self, charge: int, answer: Answer) -> None:
        self.charge = charge
        self.answer = answer
        super().__init__(charge)


@dataclass(frozen=True, slots=True)
class Charging:
    """The providers of one hub, each given `timeout_s` to answer."""

    gateways: Mapping[str, PaymentGateway]
    timeout_s: float

    async def take(self, attempt: Attempt) -> list[Answer | None]:
        """An answer for each charge, None for what no provider takes. Harmless to call again.

        Errors: `Declined`, `ActionNeeded`, `TimeoutError`, `GatewayUnreachable`.
        """
        answers: list[Answer | None] = []
        for index, charge in enumerate(attempt.agreed.charges):
            answer = None
            if charge.key is not None:
                # A charge that waited for its customer is asked for: it must not begin again.
                waited = attempt.action is not None and attempt.action["charge"] == index
                answer = await (self._found(charge, attempt) if waited else self._charge(charge, attempt))
                if answer.state is ChargeState.ACTION:
                    raise ActionNeeded(index, answer)
            answers.append(answer)
        return answers

    async def _charge(self, charge: Charge, attempt: Attempt) -> Answer:
        assert charge.key is not None
        async with asyncio.timeout(self.timeout_s):
            return await self.gateways[charge.method].charge(
                key=charge.key,
                amount_minor=charge.amount_minor,
                currency=attempt.agreed.draft.currency,
                token=charge.token,
                capture=attempt.agreed.capture,
            )

    async def _found(self, charge: Charge, attempt: Attempt) -> Answer:
        found = await self._find(charge, attempt)
        if found is None:
            raise Declined(REFUSED)
        return found

    async def _find(self, charge: Charge, attempt: Attempt) -> Answer | None:
        assert charge.key is not None
        async with asyncio.timeout(self.timeout_s):
            return await self.gateways[charge.method].find(
                key=charge.key, amount_minor=charge.amount_minor, currency=attempt.agreed.draft.currency
            )

    async def find(self, attempt: Attempt) -> list[Answer | None] | None:
        """The answers of all charges; None where any of them does not stand. Errors: as `take`, but `Declined`."""
        answers: list[Answer | None] = []
        for index, charge in enumerate(attempt.agreed.charges):
            answer = None
            if charge.key is not None:
                answer = await self._find(charge, attempt)
                if answer is None:
                    return None
                if answer.state is ChargeState.ACTION:
                    raise ActionNeeded(index, answer)
            answers.append(answer)
        return answers

    async def void(self, attempt: Attempt) -> None:
        """Make sure that nothing of the attempt is charged. Errors: `TimeoutError`, `GatewayUnreachable`."""
        for charge in attempt.agreed.charges:
            if charge.key is not None:
                async with asyncio.timeout(self.timeout_s):
                    await self.gateways[charge.method].void(
                        key=charge.key, amount_minor=charge.amount_minor, currency=attempt.agreed.draft.currency
                    )
