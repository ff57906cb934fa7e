"""`GET /v1/decisions/{id}`: why a request went where it went."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from headgate.errors import GatewayError
from headgate.http.caller import CurrentEngine, identity_of
from headgate.http.responses import json_body

FindDecision = Callable[[str], Awaitable[tuple[str, bytes] | None]]
"""From an id to (team, record as JSON)."""


class DecisionEndpoint:
    """Shows a record to the team whose request it was, and to admins."""

    def __init__(self, engine: CurrentEngine, find: FindDecision) -> None:
        self._engine = engine
        self._find = find

    async def get(self, request: Request) -> Response:
        """The record; the same 404 for one that is not there and one that is not yours."""
        identity = identity_of(request, self._engine())
        found = await self._find(request.path_params["id"])
        if found is None or (found[0] != identity.team and not identity.admin):
            raise GatewayError(
                404,
                "decision_not_found",
                "No such decision; the response header x-headgate-decision has the id.",
            )
        return json_body(found[1])
