"""Charges of a payment attempt at their payment providers. Nothing here runs in a transaction of the hub."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from uriba.checkout.gateways import ChargeResult, ChargeState, Declined, PaymentGateway
from uriba.checkout.payment_attempts import Attempt, Charge

SECOND_STEP_REFUSED = "The payment was refused in its second step."


class CustomerActionRequired(Exception):
    """The customer has to take a second step for this charge. `charge`: its index in the attempt."""

    def __init__(self, charge: int, result: ChargeResult) -> None:
        self.charge = charge
        self.result = result
        super().__init__(charge)


@dataclass(frozen=True, slots=True)
class ChargeProcessor:
    """The payment gateways of a hub, and the time that each has to answer."""

    gateways: Mapping[str, PaymentGateway]
    timeout_s: float

    async def charge(self, attempt: Attempt) -> list[ChargeResult | None]:
        """Charge an attempt; return a result per charge, None for tenders without a provider. Safe to repeat.

        Errors: `Declined`, `CustomerActionRequired`, `TimeoutError`, `GatewayUnreachable`.
        """
        results: list[ChargeResult | None] = []
        for index, charge in enumerate(attempt.agreed.charges):
            result = None
            if charge.key is not None:
                # A charge that waited for its customer is only looked up: it must not begin again.
                waits = attempt.action is not None and attempt.action["charge"] == index
                result = await (self._find_or_decline(charge, attempt) if waits else self._charge(charge, attempt))
                if result.state is ChargeState.ACTION:
                    raise CustomerActionRequired(index, result)
            results.append(result)
        return results

    async def _charge(self, charge: Charge, attempt: Attempt) -> ChargeResult:
        assert charge.key is not None
        async with asyncio.timeout(self.timeout_s):
            return await self.gateways[charge.method].charge(
                key=charge.key,
                amount_minor=charge.amount_minor,
                currency=attempt.agreed.draft.currency,
                token=charge.token,
                capture=attempt.agreed.capture,
            )

    async def _find_or_decline(self, charge: Charge, attempt: Attempt) -> ChargeResult:
        found = await self._find(charge, attempt)
        if found is None:
            raise Declined(SECOND_STEP_REFUSED)
        return found

    async def _find(self, charge: Charge, attempt: Attempt) -> ChargeResult | None:
        assert charge.key is not None
        async with asyncio.timeout(self.timeout_s):
            return await self.gateways[charge.method].find(
                key=charge.key, amount_minor=charge.amount_minor, currency=attempt.agreed.draft.currency
            )

    async def find(self, attempt: Attempt) -> list[ChargeResult | None] | None:
        """Return the results of all charges; None where one does not exist or cannot be paid.

        Errors: those of `charge`, except `Declined`.
        """
        results: list[ChargeResult | None] = []
        for index, charge in enumerate(attempt.agreed.charges):
            result = None
            if charge.key is not None:
                result = await self._find(charge, attempt)
                if result is None:
                    return None
                if result.state is ChargeState.ACTION:
                    raise CustomerActionRequired(index, result)
            results.append(result)
        return results

    async def void(self, attempt: Attempt) -> None:
        """Void all charges of an attempt. Errors: `TimeoutError`, `GatewayUnreachable`."""
        for charge in attempt.agreed.charges:
            if charge.key is not None:
                async with asyncio.timeout(self.timeout_s):
                    await self.gateways[charge.method].void(
                        key=charge.key, amount_minor=charge.amount_minor, currency=attempt.agreed.draft.currency
                    )
