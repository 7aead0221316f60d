"""The client in the suite's `auth/*` scenarios: the Python SDK with its OAuth providers.

Whoever should sign in does so at once: the suite's authorization endpoint answers with the redirect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp_types import Implementation
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import AnyUrl

REDIRECT = AnyUrl("http://localhost:3030/callback")
METADATA_URL = "https://conformance-test.local/client-metadata.json"
"""The client id where an authorization server takes URLs: the one that the suite expects."""

NOT_PLAYED = (
    "auth/dpop",
    "auth/dpop-nonce",
    "auth/enterprise-managed-authorization",
    "auth/wif-jwt-bearer",
)
"""Scenarios of extensions that the SDK does not implement, or only in part."""

TOOL = "test-tool"
SECONDS = 20.0


@dataclass(frozen=True)
class Scenario:
    """What the suite tells the client that it starts."""

    name: str
    revision: str
    context: Mapping[str, str]
    """Credentials that were handed out beforehand, if any."""


@dataclass
class Seen:
    """What the client was told, and what it asked for, on its way to a token."""

    challenges: list[str] = field(default_factory=list)
    """Each `WWW-Authenticate` of the MCP server."""
    resources: list[str] = field(default_factory=list)
    """The `resource` of each authorization request that had one."""


class Memory:
    """The SDK's token storage. `registered` is how the client is known before it starts."""

    def __init__(self, registered: OAuthClientInformationFull | None = None) -> None:
        self._client = registered
        self._tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self._client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self._client = client_info


class Browser:
    """Opens authorization URLs, and hands over what the redirect back carries."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._redirect: dict[str, list[str]] = {}

    async def open(self, url: str) -> None:
        self._seen.resources += parse_qs(urlsplit(url).query).get("resource", [])
        async with httpx2.AsyncClient(follow_redirects=False) as client:
            answer = await client.get(url)
        self._redirect = parse_qs(urlsplit(answer.headers["location"]).query)

    async def result(self) -> AuthorizationCodeResult:
        first = {name: values[0] for name, values in self._redirect.items()}
        return AuthorizationCodeResult(code=first["code"], state=first.get("state"), iss=first.get("iss"))


def provider(scenario: Scenario, url: str, seen: Seen) -> httpx2.Auth:
    """The SDK's OAuth as the scenario needs it, for the MCP server at `url`."""
    given = scenario.context
    match scenario.name:
        case "auth/client-credentials-basic":
            return ClientCredentialsOAuthProvider(url, Memory(), given["client_id"], given["client_secret"])
        case "auth/client-credentials-jwt":
            signed = SignedJWTParameters(
                issuer=given["client_id"],
                subject=given["client_id"],
                signing_key=given["private_key_pem"],
                signing_algorithm=given["signing_algorithm"],
            )
            return PrivateKeyJWTOAuthProvider(
                url, Memory(), given["client_id"], signed.create_assertion_provider()
            )
        case "auth/pre-registration":
            registered = OAuthClientInformationFull(
                client_id=given["client_id"],
                client_secret=given["client_secret"],
                issuer=given["issuer"],
                redirect_uris=[REDIRECT],
                token_endpoint_auth_method="client_secret_basic",
            )
        case _:
            registered = None
    browser = Browser(seen)
    return OAuthClientProvider(
        url,
        OAuthClientMetadata(client_name="conformance", redirect_uris=[REDIRECT]),
        Memory(registered),
        browser.open,
        browser.result,
        client_metadata_url=METADATA_URL,
    )


async def use(scenario: Scenario, url: str, seen: Seen) -> None:
    """Lists the tools of the MCP server at `url` and calls one, with a token got as the server says.

    Raises:
        Exception: Whatever the SDK raises. In some scenarios a good client gives up.
    """

    async def look(response: httpx2.Response) -> None:
        if challenge := response.headers.get("www-authenticate"):
            seen.challenges.append(challenge)

    mode = scenario.revision if scenario.revision in MODERN_PROTOCOL_VERSIONS else "legacy"
    auth = provider(scenario, url, seen)
    with anyio.fail_after(SECONDS):
        async with httpx2.AsyncClient(auth=auth, timeout=SECONDS, event_hooks={"response": [look]}) as http:
            info = Implementation(name="conformance", version="1")
            async with Client(streamable_http_client(url, http_client=http), mode=mode, client_info=info) as client:
                await client.list_tools()
                await client.call_tool(TOOL, {})
