"""A session belongs to whoever opened it, as Envoy's own JWT authentication or our auth filter names them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.envoy import Envoy
from e2e.identity import BIND_TO_PRINCIPAL, Issuer
from e2e.legacy import LegacySession
from e2e.messages import call, call_headers, session_headers
from e2e.raw import post, send
from e2e.servers import McpServer

PACKAGINGS = ["alone"]  # both packagings are parameters of its own

ISSUER = Issuer()
bearer = ISSUER.bearer


@pytest.fixture(scope="module", params=["jwt_authn before mcp_session", "mcp_gateway"])
def gateway(
    request: pytest.FixtureRequest, session_yaml: Path, python_server: McpServer
) -> Iterator[Envoy]:
    alone = request.param == "mcp_gateway"
    upstreams = {"mcp_servers": [python_server.port]}
    settings = {} if alone else {"mcp_session": BIND_TO_PRINCIPAL}
    edit = ISSUER.authenticate_in_gateway if alone else ISSUER.authenticate
    with Envoy(session_yaml, upstreams=upstreams, settings=settings, edit=edit) as envoy:
        yield envoy


def test_nobody_gets_in_without_a_token(gateway: Envoy) -> None:
    assert post(gateway.port, call("add"), call_headers("add")).status == 401


def test_the_opener_may_use_the_session_with_any_of_their_tokens(gateway: Envoy) -> None:
    session = LegacySession.open(gateway.port, [bearer("alice")])
    assert session.text("add", a=1, b=2) == "3"
    refreshed = LegacySession(gateway.port, session.id, (bearer("alice", "2"),))
    assert refreshed.text("add", a=1, b=2) == "3"


def test_nobody_else_may_use_read_resume_or_end_it(gateway: Envoy) -> None:
    session = LegacySession.open(gateway.port, [bearer("alice")])
    thief = LegacySession(gateway.port, session.id, (bearer("bob"),))
    answers = [
        thief.call("add", a=1, b=2),
        send(
            gateway.port,
            "GET",
            [*session_headers(session.id), bearer("bob"), ("accept", "text/event-stream")],
        ),
        send(gateway.port, "GET", [*session_headers(session.id), bearer("bob"), ("last-event-id", "1")]),
        thief.delete(),
    ]
    assert [answer.status for answer in answers] == [404] * 4, "as if it did not exist"
    assert session.text("add", a=1, b=2) == "3", "and it lives on"


@pytest.mark.parametrize("name", ["x-jwt-sub", "X-JWT-Sub", "x-mcp-principal", "x-mcp-session"])
def test_a_thief_cannot_name_themselves_after_the_owner(name: str, gateway: Envoy) -> None:
    session = LegacySession.open(gateway.port, [bearer("alice")])
    thief = LegacySession(gateway.port, session.id, (bearer("bob"), (name, "alice")))
    assert thief.call("add", a=1, b=2).status == 404


def test_modern_calls_pass_with_a_principal(gateway: Envoy) -> None:
    """Their affinity header holds no address: load balancing falls back to the ring."""
    answer = post(gateway.port, call("add", {"a": 1, "b": 2}), [*call_headers("add"), bearer("alice")])
    assert answer.json()["result"]["content"][0]["text"] == "3"
