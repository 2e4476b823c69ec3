"""Authentication of plain HTTP requests, by the same keys as those of GraphQL."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.exceptions import NotAuthorizedException

from uriba.access.authentication import Authenticator
from uriba.core.actor import Actor
from uriba.core.errors import Unauthenticated


async def caller_of(request: Request[Any, Any, Any], authenticator: Authenticator) -> Actor:
    """Return the caller of a request; without a key, an anonymous one. An invalid key is answered with 401."""
    address = request.client.host if request.client else ""
    try:
        return await authenticator.authenticate(request.headers.get("authorization"), address=address)
    except Unauthenticated as error:
        raise NotAuthorizedException(str(error)) from error
