"""Tours an MCP server that wants a token, with the OAuth flow of the Python SDK 1.x, the old line.

Usage: oauth_mcp1.py URL legacy STEPS. Steps and output as in tour_mcp2.py; logging in as in oauth.py.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any

import anyio
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp.shared.auth import OAuthClientMetadata
from mcp.types import Implementation
from oauth import REDIRECT, Memory, ask_user, sent_back
from pydantic import AnyUrl
from tour_mcp1 import CALL_SECONDS, elicited, perform


async def code_and_state() -> tuple[str, str | None]:
    parameters = await sent_back()
    return parameters["code"], parameters.get("state")


async def tour(url: str, steps: list[dict[str, Any]]) -> dict[str, Any]:
    registration = OAuthClientMetadata(client_name="oauth-mcp1", redirect_uris=[AnyUrl(REDIRECT)])
    auth = OAuthClientProvider(url, registration, Memory(), ask_user, code_and_state)
    async with (
        create_mcp_http_client(auth=auth) as http,
        streamable_http_client(url, http_client=http) as streams,
        ClientSession(
            *streams[:2],
            read_timeout_seconds=timedelta(seconds=CALL_SECONDS),
            elicitation_callback=elicited,
            client_info=Implementation(name="oauth-mcp1", version="1"),
        ) as session,
    ):
        started = await session.initialize()
        listed = await session.list_tools()
        seen = [await perform(session, step) for step in steps]
        return {
            "version": started.protocolVersion,
            "tools": sorted(tool.name for tool in listed.tools),
            "seen": seen,
        }


print(json.dumps(anyio.run(tour, sys.argv[1], json.loads(sys.argv[3]))))
