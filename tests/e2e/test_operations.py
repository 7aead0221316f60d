"""What operators rely on: metrics with labels, a log line per refusal, thousands of open streams, no secrets in logs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from e2e.envoy import Envoy
from e2e.legacy import LegacySession
from e2e.messages import call, call_headers
from e2e.raw import HOST, Connection, post, request_head
from e2e.servers import McpServer
from e2e.upstream import Exchange, ScriptedUpstream

PACKAGINGS = ["gateway"]  # slow

STREAMS = 1100


@pytest.fixture(scope="module")
def fresh(session_yaml: Path, python_server: McpServer) -> Iterator[Envoy]:
    """A gateway whose counters start at zero."""
    with Envoy(session_yaml, upstreams={"mcp_servers": [python_server.port]}) as gateway:
        yield gateway


def counted(gateway: Envoy, **labels: str) -> int:
    """The counter `mcp_requests` with exactly these labels, as Prometheus reads it."""
    return next((value for found, value in gateway.samples("mcp_requests") if found == labels), 0)


def await_counted(gateway: Envoy, expected: int, **labels: str) -> None:
    """Waits until the counter has that value: the module hands its counts over once a second."""
    until = time.monotonic() + 5
    while (now := counted(gateway, **labels)) != expected:
        assert time.monotonic() < until, f"{labels}: {now} instead of {expected}"
        time.sleep(0.1)


def test_requests_are_counted_by_era_method_tool_and_outcome(fresh: Envoy) -> None:
    for _ in range(3):
        post(fresh.port, call("add", {"a": 1, "b": 2}), call_headers("add"))
    LegacySession.open(fresh.port).call("add", a=1, b=2)
    post(fresh.port, call("add"), call_headers("other"))
    add = {"mcp_method_name": "tools/call", "gen_ai_tool_name": "add"}
    await_counted(fresh, 3, era="modern", outcome="forwarded", **add)
    await_counted(fresh, 1, era="legacy", outcome="forwarded", **add)
    await_counted(fresh, 1, era="modern", outcome="refused", error_type="header_mismatch", **add)
    opened = {"mcp_method_name": "initialize", "gen_ai_tool_name": "none"}
    await_counted(fresh, 1, era="legacy", outcome="forwarded", **opened)


def test_invented_tools_do_not_become_labels_without_end(
    session_yaml: Path, python_server: McpServer
) -> None:
    with Envoy(session_yaml, upstreams={"mcp_servers": [python_server.port]}) as gateway:
        for number in range(100):
            post(gateway.port, call(f"invented-{number}"), call_headers(f"invented-{number}"))
        labels = [line for line in gateway.admin("/stats/prometheus").splitlines() if "invented-" in line]
        assert 0 < len(labels) <= 64
        other = {"mcp_method_name": "tools/call", "gen_ai_tool_name": "other"}
        await_counted(gateway, 100 - len(labels), era="modern", outcome="forwarded", **other)


def test_refusal_is_one_log_line_with_its_reason(fresh: Envoy) -> None:
    post(fresh.port, call("add"), [*call_headers("add"), ("origin", "https://evil.example")])
    lines = [line for line in fresh.log_text().splitlines() if '"error.type":"origin"' in line]
    assert len(lines) == 1 and '"http.response.status_code":403' in lines[0]
    assert "evil.example" not in lines[0], "what a client chose is not for the log"


def test_secrets_and_session_ids_stay_out_of_the_logs(session_yaml: Path, python_server: McpServer) -> None:
    """At debug level Envoy logs all headers itself; at info level nothing of ours may give a session away."""
    with Envoy(session_yaml, upstreams={"mcp_servers": [python_server.port]}) as gateway:
        session = LegacySession.open(gateway.port, [("authorization", "Bearer planted-token")])
        session.call("add", a=1, b=2)
        session.post(b"{")
        LegacySession(gateway.port, session.id[:-2] + "AA").call("add")
        logs = gateway.log_text() + str(gateway.settled_log())
        server_ids = [
            line.rsplit(" ", 1)[1] for line in python_server.log_text().splitlines() if "session ID: " in line
        ]
    for planted in [session.id, "planted-token", server_ids[-1]]:
        assert planted not in logs


def test_more_streams_than_envoys_default_limit_stay_open(session_yaml: Path) -> None:
    done = threading.Event()

    def hold(exchange: Exchange) -> None:
        exchange.start_events()
        exchange.send_chunk(b": open\n\n")
        done.wait(30)

    with ScriptedUpstream(hold) as upstream, ExitStack() as clients:
        with Envoy(session_yaml, upstreams={"mcp_servers": [upstream.port]}) as gateway:
            opened = [clients.enter_context(Connection(gateway.port)) for _ in range(STREAMS)]
            for client in opened:
                client.send(request_head("GET", [HOST, ("accept", "text/event-stream")]))
            statuses = [client.head().status for client in opened]
            done.set()
    assert statuses == [200] * STREAMS
