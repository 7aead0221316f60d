"""Opaque tokens of a real authorization server, which the gateway asks about them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from e2e.authorization_server import MACHINE, SCOPES, AuthorizationServer
from e2e.envoy import Envoy
from e2e.messages import call, call_headers
from e2e.process import free_port
from e2e.protected import INTROSPECTION_CLUSTER, Issuer, protected, resource
from e2e.raw import Answer, post
from e2e.servers import McpServer

CLIENT_ID, CLIENT_SECRET = MACHINE
ASK = {"path": "/token/introspection", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
SHORT_SECONDS = 2


@dataclass(frozen=True)
class Opaque:
    """A gateway, and the server it asks."""

    gateway: Envoy
    server: AuthorizationServer

    def token(self, **tokens: str | int) -> str:
        with self.server.issuing(format="opaque", **tokens):
            return self.server.token()

    def call(self, token: str, gateway: Envoy | None = None) -> Answer:
        tool = "request_headers"
        headers = [*call_headers(tool), ("authorization", f"Bearer {token}")]
        return post((gateway or self.gateway).port, call(tool), headers)

    def calls(self) -> int:
        """How often the gateway asked about a token."""
        name = f"cluster.{INTROSPECTION_CLUSTER}.upstream_rq_total"
        return self.gateway.stats(f"^{name}$").get(name, 0)

    def calls_during(self, action: Callable[[], object]) -> int:
        before = self.calls()
        action()
        return self.calls() - before


@pytest.fixture(scope="module")
def opaque(
    packaging: str, python_server: McpServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Opaque]:
    port = free_port()
    with AuthorizationServer(tmp_path_factory.mktemp("opaque"), resource(port)) as server:
        issuer = Issuer(server.issuer, server.port, introspection=ASK)
        with protected(port, python_server.port, [issuer]) as gateway:
            yield Opaque(gateway, server)


def test_an_opaque_token_is_asked_about_once(opaque: Opaque) -> None:
    token = opaque.token()
    assert "." not in token
    answers: list[Answer] = []
    assert opaque.calls_during(lambda: answers.append(opaque.call(token))) == 1
    assert opaque.calls_during(lambda: answers.append(opaque.call(token))) == 0
    for answer in answers:
        assert answer.status == 200
        seen = json.loads(answer.json()["result"]["content"][0]["text"])
        assert seen["x-mcp-scopes"].split() == SCOPES
        assert seen["x-mcp-agent"] == CLIENT_ID
        assert "authorization" not in seen


def test_one_call_serves_all_who_wait(opaque: Opaque) -> None:
    token = opaque.token()

    def burst() -> None:
        with ThreadPoolExecutor(20) as pool:
            statuses = [answer.status for answer in pool.map(opaque.call, [token] * 20)]
        assert statuses == [200] * 20

    assert opaque.calls_during(burst) == 1


def test_a_jwt_is_not_asked_about(opaque: Opaque) -> None:
    token = opaque.server.token()
    assert token.count(".") == 2
    answers: list[Answer] = []
    assert opaque.calls_during(lambda: answers.append(opaque.call(token))) == 0
    assert answers[0].status == 200


def test_what_the_server_does_not_know_is_refused(opaque: Opaque) -> None:
    def twice() -> None:
        for _ in range(2):
            answer = opaque.call("planted-unknown-token")
            assert answer.status == 401
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]

    assert opaque.calls_during(twice) == 1


def test_an_expired_token_is_refused(opaque: Opaque) -> None:
    token = opaque.token(lifetime=SHORT_SECONDS)
    assert opaque.call(token).status == 200
    time.sleep(SHORT_SECONDS + 1)
    assert opaque.call(token).status == 401


def test_nobody_can_tell_while_the_server_is_away(opaque: Opaque, python_server: McpServer) -> None:
    token = opaque.token()
    away = Issuer(opaque.server.issuer, free_port(), introspection=ASK)
    with protected(free_port(), python_server.port, [away]) as gateway:
        answer = opaque.call(token, gateway)
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert token not in gateway.log_text()


def test_wrong_credentials_of_the_gateway_are_told_to_the_operator(
    opaque: Opaque, python_server: McpServer
) -> None:
    wrong = Issuer(opaque.server.issuer, opaque.server.port, introspection={**ASK, "client_secret": "planted"})
    with protected(free_port(), python_server.port, [wrong]) as gateway:
        assert opaque.call("some-token", gateway).status == 503
        log = gateway.log_text()
    assert "are client_id and client_secret right?" in log
    assert "planted" not in log


def test_a_token_for_another_server_is_refused(opaque: Opaque, python_server: McpServer) -> None:
    elsewhere = Issuer(opaque.server.issuer, opaque.server.port, introspection=ASK)
    with protected(free_port(), python_server.port, [elsewhere]) as gateway:
        assert opaque.call(opaque.token(), gateway).status == 401


def test_neither_tokens_nor_secrets_are_logged(opaque: Opaque) -> None:
    token = opaque.token()
    assert opaque.call(token).status == 200
    opaque.call("planted-unknown-token")
    log = opaque.gateway.log_text() + json.dumps(opaque.gateway.settled_log())
    basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    for secret in (token, "planted-unknown-token", CLIENT_SECRET, basic):
        assert secret not in log
