"""Tours an MCP server that wants a token, with the Python SDK 2.x's own OAuth flow.

Usage: oauth_mcp2.py URL auto|legacy STEPS. Steps and output as in tour_mcp2.py; logging in as in oauth.py.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import anyio
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata
from mcp_types import Implementation
from oauth import REDIRECT, Memory, ask_user, sent_back
from pydantic import AnyUrl
from tour_mcp2 import CALL_SECONDS, elicited, perform


async def result() -> AuthorizationCodeResult:
    return AuthorizationCodeResult(**await sent_back())


async def tour(url: str, mode: str, steps: list[dict[str, Any]]) -> dict[str, Any]:
    registration = OAuthClientMetadata(client_name="oauth-mcp2", redirect_uris=[AnyUrl(REDIRECT)])
    auth = OAuthClientProvider(url, registration, Memory(), ask_user, result)
    async with (
        create_mcp_http_client(auth=auth) as http,
        Client(
            streamable_http_client(url, http_client=http),
            mode=mode,
            client_info=Implementation(name="oauth-mcp2", version="1"),
            elicitation_callback=elicited,
            read_timeout_seconds=CALL_SECONDS,
        ) as client,
    ):
        listed = await client.list_tools()
        seen = [await perform(client, step) for step in steps]
        return {
            "version": client.protocol_version,
            "tools": sorted(tool.name for tool in listed.tools),
            "seen": seen,
        }


print(json.dumps(anyio.run(tour, sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))))
