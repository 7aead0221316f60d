"""Real clients log in at a real authorization server, and call through the shipped auth.yaml what they may."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from e2e.authorization_server import AuthorizationServer
from e2e.browser import Browser
from e2e.envoy import Envoy
from e2e.messages import call, call_headers
from e2e.process import free_port
from e2e.protected import Issuer, protected, resource
from e2e.raw import Answer, TextHeader, post, send
from e2e.servers import CLIENTS, OLD_PYTHON, McpServer

PACKAGINGS = ["gateway"]  # slow

TOUR_SECONDS = 40
SHORT_SECONDS = 2

Step = dict[str, Any]

WHO: Step = {"tool": "request_headers", "arguments": {}}
BOOK: Step = {"tool": "book_flight", "arguments": {"destination": "Oslo"}}


@dataclass(frozen=True)
class Oauth:
    """A gateway, and where it sends those who have no token."""

    gateway: Envoy
    server: AuthorizationServer

    def call(self, tool: str, arguments: dict[str, Any], token: str | None, *headers: TextHeader) -> Answer:
        bearer = [("authorization", f"Bearer {token}")] if token else []
        return post(self.gateway.port, call(tool, arguments), [*call_headers(tool), *bearer, *headers])


@pytest.fixture(scope="module")
def oauth(
    packaging: str, python_server: McpServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Oauth]:
    port = free_port()
    with AuthorizationServer(tmp_path_factory.mktemp("oauth"), resource(port)) as server:
        with protected(port, python_server.port, [Issuer(server.issuer, server.port)]) as gateway:
            yield Oauth(gateway, server)


@dataclass(frozen=True)
class Tourist:
    """A client program with an OAuth flow of its own, and the mode to run it in."""

    program: str
    mode: str
    forgets: bool = False
    """Whether it asks for a new scope without those it has."""

    def __str__(self) -> str:
        return f"{Path(self.program).stem.removeprefix('oauth_')}-{self.mode}"

    def tour(self, url: str, steps: list[Step], browser: Browser) -> tuple[list[str], list[dict[str, str]]]:
        """The text of each step, and what the client asked for each time its user had to log in."""
        interpreters = {"oauth_mcp2.py": sys.executable, "oauth_mcp1.py": str(OLD_PYTHON)}
        argv = [
            interpreters.get(self.program, "node"),
            str(CLIENTS / self.program),
            url,
            self.mode,
            json.dumps(steps),
        ]
        asked: list[dict[str, str]] = []
        pipe = subprocess.PIPE
        with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as client:
            watchdog = threading.Timer(TOUR_SECONDS, client.kill)
            watchdog.start()
            try:
                for line in client.stdout or ():
                    said = json.loads(line)
                    if "authorize" not in said:
                        return [step["text"] for step in said["seen"]], asked
                    query = parse_qs(urlsplit(said["authorize"]).query)
                    asked.append({name: value for name, [value] in query.items()})
                    print(browser.authorize(said["authorize"]), file=client.stdin, flush=True)
            finally:
                watchdog.cancel()
                client.kill()
            raise AssertionError(f"{self} at {url} ended:\n{client.stderr and client.stderr.read()[-3000:]}")


TOURISTS = [
    Tourist("oauth_mcp2.py", "auto"),
    Tourist("oauth_mcp2.py", "legacy"),
    Tourist("oauth_mcp1.py", "legacy", forgets=True),
    Tourist("oauth_client2.mjs", "auto"),
    Tourist("oauth_client2.mjs", "legacy"),
    Tourist("oauth_sdk1.mjs", "legacy", forgets=True),
]


def seen_upstream(text: str) -> dict[str, str]:
    """The headers of a call, as the server saw them."""
    return json.loads(text)


@pytest.mark.parametrize("tourist", TOURISTS, ids=str)
def test_a_client_logs_in_and_calls(tourist: Tourist, oauth: Oauth) -> None:
    """401, metadata, registration, login, token; then a call that needs more, and the same once more."""
    texts, asked = tourist.tour(oauth.gateway.url, [WHO, BOOK, WHO], Browser("alice"))
    before, booked, after = seen_upstream(texts[0]), texts[1], seen_upstream(texts[2])
    assert booked == "Ada flies to Oslo"

    first, more, *again = asked
    # The old lines ask for what is missing and lose what they had, so they have to ask for that again.
    assert len(again) == (1 if tourist.forgets else 0)
    assert {request["resource"] for request in asked} == {oauth.gateway.url}
    assert {request["code_challenge_method"] for request in asked} == {"S256"}
    assert "mcp:read" in first["scope"].split() and "mcp:write" not in first["scope"].split()
    assert "mcp:write" in more["scope"].split()

    assert before["x-mcp-scopes"] == "mcp:read"
    assert before["x-mcp-tenant"] == "acme"
    assert before["x-mcp-agent"] == first["client_id"]
    assert before["x-mcp-principal"] == after["x-mcp-principal"], "the new token is the same caller's"
    for headers in (before, after):
        assert "authorization" not in headers


@pytest.mark.parametrize("tourist", [TOURISTS[0], TOURISTS[3]], ids=str)
def test_a_client_whose_token_expires_gets_another_by_itself(tourist: Tourist, oauth: Oauth) -> None:
    wait: Step = {"pause_ms": (SHORT_SECONDS + 1) * 1000}
    refreshed = oauth.server.grants("refresh_token")
    with oauth.server.issuing(lifetime=SHORT_SECONDS):
        texts, asked = tourist.tour(oauth.gateway.url, [WHO, wait, WHO], Browser("alice"))
    assert len(asked) == 1, "the user logs in once"
    assert oauth.server.grants("refresh_token") > refreshed
    before, after = seen_upstream(texts[0]), seen_upstream(texts[2])
    assert before["x-mcp-principal"] == after["x-mcp-principal"]


def test_an_opaque_token_is_refused_where_its_issuer_is_not_asked(oauth: Oauth) -> None:
    with oauth.server.issuing(format="opaque"):
        token = oauth.server.token()
    assert oauth.server.introspect(token)["active"] is True
    assert oauth.call("add", {"a": 1, "b": 2}, token).status == 401


def test_nobody_is_told_where_to_log_in(oauth: Oauth) -> None:
    answer = oauth.call("add", {"a": 1, "b": 2}, None)
    assert answer.status == 401
    root = f"http://127.0.0.1:{oauth.gateway.port}"
    path = "/.well-known/oauth-protected-resource"
    challenge = f'Bearer resource_metadata="{root}{path}/mcp", scope="mcp:read"'
    assert answer.headers["www-authenticate"] == challenge
    for place in (path, f"{path}/mcp"):
        document = send(oauth.gateway.port, "GET", path=place).json()
        assert document["resource"] == f"{root}/mcp"
        assert document["authorization_servers"] == [oauth.server.issuer]


def test_a_browser_reads_the_challenge_from_the_page_it_trusts(oauth: Oauth) -> None:
    trusted = ("origin", "https://app.example.com")
    preflight = [trusted, ("access-control-request-method", "POST")]
    allowed = send(oauth.gateway.port, "OPTIONS", preflight)
    assert allowed.status == 204
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    answer = oauth.call("add", {"a": 1, "b": 2}, None, trusted)
    assert answer.status == 401
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "WWW-Authenticate" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_program_calls_with_its_own_token(algorithm: str, oauth: Oauth) -> None:
    with oauth.server.issuing(algorithm=algorithm):
        token = oauth.server.token("mcp:read")
    answer = oauth.call("request_headers", {}, token, ("x-mcp-tenant", "forged"))
    seen = seen_upstream(answer.json()["result"]["content"][0]["text"])
    assert seen["x-mcp-agent"] == "machine"
    assert seen["x-mcp-tenant"] == "acme"
    assert seen["x-mcp-scopes"] == "mcp:read"
    assert "authorization" not in seen


def test_rules_hold_for_a_real_token(oauth: Oauth) -> None:
    readers = oauth.server.token("mcp:read")
    answer = oauth.call("book_flight", {"destination": "Oslo"}, readers)
    assert answer.status == 403
    assert 'error="insufficient_scope", scope="mcp:write"' in answer.headers["www-authenticate"]
    assert oauth.call("delete_flight", {}, oauth.server.token()).status == 403
    assert oauth.call("add", {"a": 1, "b": 2}, readers).status == 200


def test_what_the_authorization_server_did_not_sign_is_refused(oauth: Oauth) -> None:
    token = oauth.server.token()
    assert oauth.call("add", {"a": 1, "b": 2}, token).status == 200
    header, payload, signature = token.split(".")
    for forged in (f"{header}.{payload}.{signature[::-1]}", f"{header}.{payload}.", "opaque"):
        assert oauth.call("add", {"a": 1, "b": 2}, forged).status == 401


def test_other_paths_reach_nobody(oauth: Oauth) -> None:
    """Not even with a token: the route is the endpoint's alone."""
    gateway, paths = oauth.gateway, ("/", "/mcp/", "/mcp/more", "/health")
    bearer = ("authorization", f"Bearer {oauth.server.token()}")
    assert [send(gateway.port, "GET", path=path).status for path in paths] == [401] * len(paths)
    assert [send(gateway.port, "GET", [bearer], path=path).status for path in paths] == [404] * len(paths)


def test_tokens_stay_out_of_the_logs(oauth: Oauth) -> None:
    good = oauth.server.token()
    planted = [good, good[:-8] + "plantedA", "planted-token"]
    statuses = [oauth.call("add", {"a": 1, "b": 2}, token).status for token in planted]
    assert statuses == [200, 401, 401]
    logs = oauth.gateway.log_text() + str(oauth.gateway.settled_log())
    assert '"error.type":"unauthorized"' in logs
    for token in planted:
        assert token not in logs
    assert good.split(".")[1] not in logs, "nor what it says"
