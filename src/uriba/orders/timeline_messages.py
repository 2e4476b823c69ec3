"""Telling: what happened to an order, in the words of people in a store. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from uriba.core.money import Money

Data = Mapping[str, Any]


def sentence(type: str, data: Data) -> str:
    """One sentence for a line of the timeline."""
    tell = _SENTENCES.get(type)
    return tell(data) if tell else type


def _placed(data: Data) -> str:
    return f"The order was placed: {_amount(data.get('total'))}."


def _payment(data: Data) -> str:
    what = f"{data.get('method')} payment of {_amount(data.get('amount'))}"
    if failed := data.get("failed"):
        return f"The {str(failed).lower()} of the {what} failed: {data.get('reason')}."
    match data.get("status"):
        case "AUTHORIZED":
            return f"The {what} is authorised."
        case "PAID":
            return f"The {what} is paid."
        case "VOIDED":
            return f"The {what} was let go; nothing is charged."
        case "PARTIALLY_REFUNDED" | "REFUNDED":
            back = _amount({**data["amount"], "amountMinor": data.get("refundedMinor")})
            return f"Of the {what}, {back} was given back."
        case status:
            return f"The {what} is {status}."


def _fulfillment(data: Data) -> str:
    units, where = _units(data.get("units")), f"{data.get('location')}"
    why = f" ({data['reason']})" if data.get("reason") else ""
    match data.get("status"):
        case "ALLOCATED":
            return f"{units} will come from {where}{why}."
        case "BACKORDERED":
            return f"{units} wait for goods at {where}{why}."
        case "PICKED":
            return f"{where} has picked {units}."
        case "READY_FOR_PICKUP":
            until = f" until {str(data['holdUntil'])[:10]}" if data.get("holdUntil") else ""
            return f"{units} are ready for pickup at {where}{until}."
        case "HANDED_OVER":
            return f"{where} has handed over {units}."
        case "SHIPPED":
            by = f", tracking {data['tracking']}" if data.get("tracking") else ""
            return f"{where} has shipped {units}{by}."
        case "DELIVERED":
            return f"{units} from {where} were delivered."
        case "REJECTED":
            return f"{where} cannot serve {units}{why}."
        case "CANCELLED":
            return f"{units} at {where} were cancelled{why}."
        case status:
            return f"{units} at {where}: {status}."


def _lines_cancelled(data: Data) -> str:
    why = f" ({data['reason']})" if data.get("reason") else ""
    return f"{_units(sum(line['units'] for line in data.get('lines', ())))} were cancelled{why}."


def _units(units: Any) -> str:
    return "1 unit" if units == 1 else f"{units} units"


def _amount(amount: Mapping[str, Any] | None) -> str:
    return str(Money(amount["amountMinor"], amount["currency"])) if amount else "no amount"


_SENTENCES: Mapping[str, Callable[[Data], str]] = {
    "order.placed": _placed,
    "payment.updated": _payment,
    "fulfillment.updated": _fulfillment,
    "order.completed": lambda _: "Everything was handed over.",
    "order.cancelled": lambda data: f"The order was cancelled{f' ({why})' if (why := data.get('reason')) else ''}.",
    "order.lines_cancelled": _lines_cancelled,
    "return.created": lambda data: f"{_units(data['units'])} came back." if "units" in data else "Goods came back.",
}
