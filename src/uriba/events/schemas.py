"""What channels are told, written down for those who listen: as JSON Schema and as AsyncAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from uriba.events.payloads import COALESCED, GLOBAL_ID, PAYLOADS, Moment, Payload, Struct, Version

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TITLE = "Uriba events"
TELLING = (
    "What happened at the hub, as its feed has it: in webhooks, in the query `events` and in the subscription of the "
    "same name. An event comes at least once and, of one subject, in order: `version` runs 1, 2, 3 …. It says what is "
    "now, in ids, versions and states, and nothing of a person: read the rest by the ids. Later releases may add keys "
    "and types: ignore what you do not know."
)
SIGNED = (
    "Standard Webhooks 1.0.0: `webhook-signature` has, for each secret that is valid, `v1,` and base64 of HMAC-SHA256 "
    "over `webhook-id.webhook-timestamp.body`, separated by spaces. Refuse what is older than five minutes; what has a "
    "`webhook-id` that you took already, take again without doing anything. Answer 2xx within the hub's limit of time."
)


class Coalesced(Struct, frozen=True):
    """This event stands for all of its subject's from the first version to the last, which is its own."""

    first_version: Version
    last_version: Version


def envelope(payload: type[Payload]) -> type[msgspec.Struct]:
    """An Event whose data is of one type."""
    fields: list[Any] = [
        ("id", Annotated[str, Meta(pattern=GLOBAL_ID, description="Its webhook-id: the same however often it comes.")]),
        ("subject", Annotated[str, Meta(pattern=GLOBAL_ID, description=f"Global id of {_a(payload.subject)}.")]),
        ("version", Annotated[int, Meta(ge=1, description="1, 2, 3 … of the subject's events.")]),
        ("at", Annotated[Moment, Meta(description="When it was written, UTC.")]),
        ("data", payload),
    ]
    if payload.type in COALESCED:
        fields.append(("coalesced", Coalesced | UnsetType, UNSET))
    made = msgspec.defstruct(
        f"{payload.__name__}Event",
        fields,
        tag_field="type",
        tag=payload.type,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )
    made.__doc__ = payload.__doc__
    return made


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"


ENVELOPES: Mapping[str, type[msgspec.Struct]] = {name: envelope(payload) for name, payload in PAYLOADS.items()}
"""The whole Event, by type."""


def webhooks() -> Schema:
    """JSON Schema (2020-12) of what is posted to endpoints: one Event, its data by its type."""
    _, components = msgspec.json.schema_components(list(ENVELOPES.values()), ref_template="#/$defs/{name}")
    return {
        "$schema": DIALECT,
        "title": TITLE,
        "description": TELLING,
        "type": "object",
        "required": ["type"],
        "discriminator": {"propertyName": "type", "mapping": {name: _ref(name) for name in ENVELOPES}},
        "oneOf": [{"$ref": _ref(name)} for name in ENVELOPES],
        "$defs": {name: _in_one_line(schema) for name, schema in sorted(components.items())},
    }


def _ref(type: str) -> str:
    return f"#/$defs/{ENVELOPES[type].__name__}"


def _in_one_line(schema: Any) -> Any:
    """Docstrings are broken where the source is; descriptions are not."""
    if isinstance(schema, dict):
        return {
            key: " ".join(value.split()) if key == "description" and isinstance(value, str) else _in_one_line(value)
            for key, value in schema.items()
        }
    return [_in_one_line(one) for one in schema] if isinstance(schema, list) else schema


def asyncapi(version: str) -> Schema:
    """AsyncAPI 3.0: one channel, the webhook, and a message for each type."""
    names = {name: {"$ref": f"#/components/messages/{name}"} for name in ENVELOPES}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": TITLE, "version": version, "description": TELLING},
        "defaultContentType": "application/json",
        "channels": {
            "webhook": {
                "address": None,
                "title": "Webhook",
                "description": f"The URL of an endpoint, as `endpointCreate` was given it. {SIGNED}",
                "messages": names,
            }
        },
        "operations": {
            "tell": {
                "action": "send",
                "channel": {"$ref": "#/channels/webhook"},
                "summary": "Tell an endpoint of one event. What is not answered with 2xx is sent again.",
                "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
                "messages": [{"$ref": f"#/channels/webhook/messages/{name}"} for name in ENVELOPES],
            }
        },
        "components": {
            "messages": {name: _message(name, payload) for name, payload in PAYLOADS.items()},
            "schemas": {"Headers": _HEADERS},
        },
    }


def _message(name: str, payload: type[Payload]) -> Schema:
    return {
        "name": name,
        "title": payload.__name__,
        "summary": sentences(payload),
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/Headers"},
        "payload": {"$ref": f"./webhooks.json{_ref(name)}"},
    }


def sentences(kind: type[Any]) -> str:
    return " ".join((kind.__doc__ or "").split())


_HEADERS: Schema = {
    "type": "object",
    "description": SIGNED,
    "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
    "properties": {
        "webhook-id": {"type": "string", "description": "The event's id: the same for each try."},
        "webhook-timestamp": {"type": "string", "pattern": "^[0-9]+$", "description": "This try's, Unix seconds."},
        "webhook-signature": {
            "type": "string",
            "pattern": "^v1,[A-Za-z0-9+/]+={0,2}( v1,[A-Za-z0-9+/]+={0,2})*$",
            "description": "Two while a new secret and the one before are both valid.",
        },
    },
}


def written(schema: Schema) -> str:
    """As it stands in a file."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"
