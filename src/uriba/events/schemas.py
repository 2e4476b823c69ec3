"""The JSON Schema and the AsyncAPI document of the events, made from the event classes of the registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from uriba.outbox import registry
from uriba.outbox.event import Event
from uriba.outbox.payloads import GLOBAL_ID, Moment, Payload, Version

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TITLE = "Uriba events"
DESCRIPTION = (
    "The events of the hub as its feed has them: in webhooks, in the query `events` and in the subscription `events`. "
    "An event is delivered at least once and, within one subject, in order: `version` runs 1, 2, 3 …. An event states "
    "the current state in ids, versions and statuses and contains no personal data: query the rest by id. Later "
    "releases may add keys and types: ignore those that you do not know."
)
SIGNATURE = (
    "Standard Webhooks 1.0.0: `webhook-signature` has, for each secret that is valid, `v1,` and the base64 of "
    "HMAC-SHA256 over `webhook-id.webhook-timestamp.body`, separated by spaces. Refuse requests that are older than "
    "five minutes. Accept a repeated `webhook-id` without processing it again. Answer 2xx within the hub's time limit."
)


class Coalesced(Payload):
    """The versions that this event stands for: those of its subject from the first to the last, which is its own."""

    first_version: Version
    last_version: Version


def data_struct(event: type[Event]) -> type[msgspec.Struct]:
    """Return the struct of an event's `data`, with the event's name and description."""
    made = msgspec.defstruct(event.__name__, (), bases=(event.Payload,))
    made.__doc__ = event.__doc__
    return made


def envelope(event: type[Event]) -> type[msgspec.Struct]:
    """Return the struct of the contract's Event for one type."""
    article = "an" if event.subject_kind[0] in "AEIOU" else "a"
    fields: list[Any] = [
        ("id", Annotated[str, Meta(pattern=GLOBAL_ID, description="The webhook-id; each delivery has the same.")]),
        (
            "subject",
            Annotated[str, Meta(pattern=GLOBAL_ID, description=f"Global id of {article} {event.subject_kind}.")],
        ),
        ("version", Annotated[int, Meta(ge=1, description="Numbers the subject's events 1, 2, 3 ….")]),
        ("at", Annotated[Moment, Meta(description="When the event was written, UTC.")]),
        ("data", data_struct(event)),
    ]
    if event.coalesced:
        fields.append(("coalesced", Coalesced | UnsetType, UNSET))
    made = msgspec.defstruct(
        envelope_name(event),
        fields,
        tag_field="type",
        tag=event.type,
        kw_only=True,
        forbid_unknown_fields=True,
    )
    made.__doc__ = event.__doc__
    return made


def envelope_name(event: type[Event]) -> str:
    return f"{event.__name__}Event"


def envelopes() -> Mapping[str, type[msgspec.Struct]]:
    """Return the struct of the contract's Event, by type."""
    return {event.type: envelope(event) for event in registry.events()}


def webhooks() -> Schema:
    """Return the JSON Schema (2020-12) of a webhook's body: one Event, with its data by its type."""
    structs = envelopes()
    _, components = msgspec.json.schema_components(list(structs.values()), ref_template="#/$defs/{name}")
    references = {name: f"#/$defs/{struct.__name__}" for name, struct in structs.items()}
    return {
        "$schema": DIALECT,
        "title": TITLE,
        "description": DESCRIPTION,
        "type": "object",
        "required": ["type"],
        "discriminator": {"propertyName": "type", "mapping": references},
        "oneOf": [{"$ref": reference} for reference in references.values()],
        "$defs": {name: _in_one_line(schema) for name, schema in sorted(components.items())},
    }


def _in_one_line(schema: Any) -> Any:
    """Remove the line breaks of docstrings from the descriptions of a schema."""
    if isinstance(schema, dict):
        return {
            key: " ".join(value.split()) if key == "description" and isinstance(value, str) else _in_one_line(value)
            for key, value in schema.items()
        }
    return [_in_one_line(item) for item in schema] if isinstance(schema, list) else schema


def asyncapi(version: str) -> Schema:
    """Return the AsyncAPI 3.0 document: one channel, the webhook, and a message for each type."""
    events = registry.events()
    return {
        "asyncapi": "3.0.0",
        "info": {"title": TITLE, "version": version, "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {
            "webhook": {
                "address": None,
                "title": "Webhook",
                "description": f"The URL of an endpoint, as given to `endpointCreate`. {SIGNATURE}",
                "messages": {event.type: {"$ref": f"#/components/messages/{event.type}"} for event in events},
            }
        },
        "operations": {
            "tell": {
                "action": "send",
                "channel": {"$ref": "#/channels/webhook"},
                "summary": "Send one event to an endpoint. A delivery that is not answered with 2xx is sent again.",
                "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
                "messages": [{"$ref": f"#/channels/webhook/messages/{event.type}"} for event in events],
            }
        },
        "components": {
            "messages": {event.type: _message(event) for event in events},
            "schemas": {"Headers": HEADERS},
        },
    }


def _message(event: type[Event]) -> Schema:
    return {
        "name": event.type,
        "title": event.__name__,
        "summary": description(event),
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/Headers"},
        "payload": {"$ref": f"./webhooks.json#/$defs/{envelope_name(event)}"},
    }


def description(event: type[Event]) -> str:
    """Return the event's public description in one line."""
    return " ".join((event.__doc__ or "").split())


HEADERS: Schema = {
    "type": "object",
    "description": SIGNATURE,
    "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
    "properties": {
        "webhook-id": {"type": "string", "description": "The event's id, the same for each attempt."},
        "webhook-timestamp": {
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "The time of this attempt, in Unix seconds.",
        },
        "webhook-signature": {
            "type": "string",
            "pattern": "^v1,[A-Za-z0-9+/]+={0,2}( v1,[A-Za-z0-9+/]+={0,2})*$",
            "description": "Two signatures while a new secret and the one before it are both valid.",
        },
    },
}


def to_text(schema: Schema) -> str:
    """Return a schema as the text of its file."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"
