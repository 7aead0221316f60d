"""envoy/gateway.yaml: every filter in front of a primary and a backup. What changes nothing is asked again,
of the backup; nothing else is done twice, and nothing is charged twice."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import IncompleteRead
from typing import Any

import pytest

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, Endpoint, EnvoyConfig
from e2e.identity import AUDIENCE, ISSUER, Issuer
from e2e.messages import call, call_headers, initialize, legacy, modern, modern_headers, session_headers
from e2e.quota import left
from e2e.raw import Answer, Connection, TextHeader, post
from e2e.test_affinity import await_healthy, check_often
from e2e.upstream import Exchange, ScriptedUpstream

GATEWAY_YAML = REPOSITORY / "envoy" / "gateway.yaml"
CALLERS = Issuer()


def trust_callers(config: EnvoyConfig) -> None:
    issuer = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": {"keys": [CALLERS.key]}, "tenant_claim": "org.id"}
    config.change_settings("mcp_gateway", {"auth": {"issuers": [issuer]}})


def bearer(tenant: str) -> TextHeader:
    return CALLERS.bearer("ann", org={"id": tenant}, scope="mcp:read")


def result(request: Any, **members: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": members}).encode()


def answer(exchange: Exchange) -> None:
    """Answers any request with an empty result, as an event stream if it is a tool's."""
    request = json.loads(exchange.request.body)
    if request["method"] == "tools/call":
        exchange.start_events()
        exchange.send_chunk(b"data: " + result(request, content=[]) + b"\n\n")
        exchange.end_chunks()
    else:
        exchange.send_json(result(request), b"mcp-session-id: minted-by-one-server")


def overloaded(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")


def broken(exchange: Exchange) -> None:
    """Hangs up instead of answering."""
    raise ConnectionError


@dataclass(frozen=True)
class Pair:
    """The gateway in front of two servers."""

    envoy: Envoy
    primary: ScriptedUpstream
    backup: ScriptedUpstream

    def ask(self, tenant: str, message: Any, headers: list[TextHeader]) -> Answer:
        return post(self.envoy.port, message, [*headers, bearer(tenant)])

    def asked(self) -> tuple[int, int]:
        """How many requests reached each."""
        return len(self.primary.requests()), len(self.backup.requests())


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[ScriptedUpstream, ScriptedUpstream]]:
    with ScriptedUpstream(answer) as primary, ScriptedUpstream(answer) as backup:
        yield primary, backup


@pytest.fixture(scope="module")
def running(servers: tuple[ScriptedUpstream, ScriptedUpstream]) -> Iterator[Pair]:
    primary, backup = servers
    ports = {"mcp_servers": [Endpoint(primary.port), Endpoint(backup.port, priority=1)]}
    with Envoy(GATEWAY_YAML, upstreams=ports, edit=trust_callers, concurrency=2) as envoy:
        await_healthy(envoy, 2)
        yield Pair(envoy, primary, backup)


@pytest.fixture
def pair(running: Pair) -> Iterator[Pair]:
    """The gateway, whose primary was well before the test and is after it."""
    yield running
    running.primary.answer = answer
    running.ask("healing", modern("tools/list"), modern_headers("tools/list"))


LISTS: dict[str, tuple[Any, list[TextHeader]]] = {
    "modern list": (modern("tools/list"), modern_headers("tools/list")),
    "discovery": (modern("server/discover"), modern_headers("server/discover")),
    "initialize": (initialize(), []),
}


@pytest.mark.parametrize("case", LISTS)
@pytest.mark.parametrize("trouble", [overloaded, broken])
def test_the_backup_is_asked_what_changes_nothing(pair: Pair, case: str, trouble: Any) -> None:
    message, headers = LISTS[case]
    primary, backup = pair.asked()
    pair.primary.answer = trouble
    answered = pair.ask("lists", message, headers)
    assert answered.status == 200
    assert "result" in answered.json()
    assert pair.asked() == (primary + 1, backup + 1)


def test_asking_again_is_charged_once(pair: Pair) -> None:
    message, headers = LISTS["modern list"]
    first = left(pair.ask("charged", message, headers))["caller-cap"]
    pair.primary.answer = overloaded
    assert left(pair.ask("charged", message, headers))["caller-cap"] == first - 1


@pytest.mark.parametrize("trouble", [overloaded, broken])
def test_a_tool_is_called_once(pair: Pair, trouble: Any) -> None:
    primary, backup = pair.asked()
    pair.primary.answer = trouble
    assert pair.ask("tools", call("add"), call_headers("add")).status == 503
    assert pair.asked() == (primary + 1, backup)


def test_a_tool_streams_through_every_filter(pair: Pair) -> None:
    answered = pair.ask("streams", call("add"), call_headers("add"))
    assert answered.status == 200
    assert answered.headers["content-type"] == "text/event-stream"
    assert answered.headers["x-accel-buffering"] == "no"
    assert b'"result"' in answered.body
    request = pair.primary.requests()[-1]
    assert request.header("authorization") is None, "the server is not the audience"
    assert request.header("x-mcp-method") == b"tools/call"
    assert request.header("x-mcp-tenant") == b"streams"


def test_a_stream_that_breaks_off_is_not_begun_again(pair: Pair) -> None:
    def breaking(exchange: Exchange) -> None:
        exchange.start_events()
        exchange.send_chunk(b": the primary dies after this\n\n")
        raise ConnectionError

    primary, backup = pair.asked()
    pair.primary.answer = breaking
    with Connection(pair.envoy.port) as connection:
        connection.post(call("add"), [*call_headers("add"), bearer("broken")])
        response = connection.head()
        assert response.status == 200
        with pytest.raises(IncompleteRead) as broke_off:
            response.read()
    assert broke_off.value.partial == b": the primary dies after this\n\n"
    assert pair.asked() == (primary + 1, backup)


def test_who_is_not_known_is_told_where_to_turn(pair: Pair) -> None:
    refused = post(pair.envoy.port, call("add"), call_headers("add"))
    assert refused.status == 401
    assert "resource_metadata=" in refused.headers["www-authenticate"]


def test_a_session_stays_with_the_server_that_knows_it(pair: Pair) -> None:
    pair.primary.answer = overloaded
    session = pair.ask("sessions", initialize(), []).headers["mcp-session-id"]
    assert session != "minted-by-one-server", "it is sealed"
    pair.primary.answer = answer
    primary, backup = pair.asked()
    assert pair.ask("sessions", legacy("tools/list"), session_headers(session)).status == 200
    assert pair.asked() == (primary, backup + 1)


def test_nobody_else_is_asked_about_a_session(pair: Pair) -> None:
    session = pair.ask("asking", initialize(), []).headers["mcp-session-id"]
    assert session is not None
    pair.primary.answer = overloaded
    primary, backup = pair.asked()
    assert pair.ask("asking", legacy("tools/list"), session_headers(session)).status == 503
    assert pair.asked() == (primary + 1, backup)


def test_a_tool_is_called_where_somebody_listens() -> None:
    def unchecked(config: EnvoyConfig) -> None:
        """Nobody has told Envoy before that the primary is gone."""
        trust_callers(config)
        del config.cluster("mcp_servers")["health_checks"]

    with socket.socket() as unused, ScriptedUpstream(answer) as backup:
        unused.bind(("127.0.0.1", 0))
        ports = {"mcp_servers": [Endpoint(unused.getsockname()[1]), Endpoint(backup.port, priority=1)]}
        with Envoy(GATEWAY_YAML, upstreams=ports, edit=unchecked) as envoy:
            answered = post(envoy.port, call("add"), [*call_headers("add"), bearer("failover")])
            assert answered.status == 200
            assert len(backup.requests()) == 1


def test_who_answers_calls_with_errors_rests_though_the_checks_pass(
    servers: tuple[ScriptedUpstream, ScriptedUpstream],
) -> None:
    def edit(config: EnvoyConfig) -> None:
        trust_callers(config)
        check_often(config)

    primary, backup = servers
    ports = {"mcp_servers": [Endpoint(primary.port), Endpoint(backup.port, priority=1)]}
    with Envoy(GATEWAY_YAML, upstreams=ports, edit=edit) as envoy:
        await_healthy(envoy, 2)
        primary.answer = overloaded
        try:
            # Ten checks, which pass, are made meanwhile.
            statuses = []
            for _ in range(30):
                statuses.append(post(envoy.port, call("add"), [*call_headers("add"), bearer("tired")]).status)
                time.sleep(0.05)
        finally:
            primary.answer = answer
        failed = statuses.count(503)
        assert statuses == [503] * failed + [200] * (30 - failed)
        assert 5 <= failed <= 10, "five, and what comes before all workers know"


def test_the_rate_limit_option_counts_by_what_the_filter_found(
    servers: tuple[ScriptedUpstream, ScriptedUpstream],
) -> None:
    """The service is away, so what would be counted there is refused, and the rest passes."""
    ports = [Endpoint(server.port, priority=index) for index, server in enumerate(servers)]
    config = EnvoyConfig.load_with_options(GATEWAY_YAML)
    message, headers = LISTS["modern list"]
    with Envoy(config, upstreams={"mcp_servers": ports}, edit=trust_callers) as envoy:
        await_healthy(envoy, 2)
        nobodys = CALLERS.bearer("ann", scope="mcp:read")
        assert post(envoy.port, message, [*headers, nobodys]).status == 200
        assert post(envoy.port, message, [*headers, nobodys, ("x-mcp-tenant", "acme")]).status == 200
        assert envoy.stats("ratelimit.error$") == {}
        assert post(envoy.port, message, [*headers, bearer("acme")]).status == 500
        assert envoy.stats("ratelimit.error$") == {"cluster.mcp_servers.ratelimit.error": 1}
