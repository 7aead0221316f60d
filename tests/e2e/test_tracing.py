"""Traces at real Envoy: whose spans are whose children when a client says where it is in a trace in headers,
in `_meta`, or nowhere, and what becomes of requests when nobody takes the spans.

Envoy begins its span before any filter runs, so a context that is in `_meta` alone is not its parent, and the
`traceparent` that goes upstream is Envoy's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from opentelemetry import trace as telemetry
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from e2e.collector import Collector, Span, export_at_once
from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, EnvoyConfig
from e2e.identity import AUDIENCE, ISSUER, Issuer
from e2e.messages import call, call_headers, modern, modern_headers
from e2e.process import free_port
from e2e.raw import HOST, MEDIA, Connection, TextHeader, post, request_head
from e2e.servers import McpServer, dual_era
from e2e.upstream import ScriptedUpstream

GATEWAY_YAML = REPOSITORY / "envoy" / "gateway.yaml"
SSE_YAML = REPOSITORY / "envoy" / "sse.yaml"
CALLERS = Issuer()
PLUGIN = "mcp_gateway"

AGENT = "0af7651916cd43dd8448eb211c80319c"
AGENT_SPAN = "b7ad6b7169203331"
TRACE = f"00-{AGENT}-{AGENT_SPAN}-01"
OTHER = "1af7651916cd43dd8448eb211c80319c"


def header(trace: str = AGENT, flags: str = "01") -> TextHeader:
    return ("traceparent", f"00-{trace}-{AGENT_SPAN}-{flags}")


def trust_callers(config: EnvoyConfig) -> None:
    keys = {"keys": [CALLERS.key]}
    issuer = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": keys, "tenant_claim": "org.id"}
    config.change_settings(PLUGIN, {"auth": {"issuers": [issuer]}})


def traced(config: EnvoyConfig) -> None:
    trust_callers(config)
    export_at_once(config)


def bearer() -> TextHeader:
    return CALLERS.bearer("ann", org={"id": "acme"}, scope="mcp:read")


def ask(envoy: Envoy, message: Any, headers: list[TextHeader]) -> Any:
    answered = post(envoy.port, message, [*headers, bearer()])
    assert answered.status == 200, answered.body
    return answered.json()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as listening:
        yield listening


@pytest.fixture(scope="module")
def server(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[McpServer]:
    """A real server that exports spans of its own, and goes by `_meta` alone."""
    with dual_era(tmp_path_factory.mktemp("traced"), "traced", collector=collector.endpoint) as running:
        yield running


def gateway(collector: Collector, server: McpServer, trace_context: str) -> Envoy:
    settings = {PLUGIN: {"sse": {"trace_context": trace_context}}}
    ports = {"mcp_servers": [server.port], "otel_collector": [collector.port]}
    return Envoy(GATEWAY_YAML, upstreams=ports, settings=settings, edit=traced)


@pytest.fixture(scope="module")
def default(collector: Collector, server: McpServer) -> Iterator[Envoy]:
    with gateway(collector, server, "to_headers") as envoy:
        yield envoy


@pytest.fixture(scope="module")
def both(collector: Collector, server: McpServer) -> Iterator[Envoy]:
    with gateway(collector, server, "both") as envoy:
        yield envoy


@dataclass(frozen=True)
class Spans:
    """The spans of one call: Envoy's towards the client and towards the server, and the server's own."""

    received: Span
    sent: Span
    server: Span


def trace(collector: Collector, envoy: Envoy, message: Any, headers: list[TextHeader]) -> tuple[Any, Spans]:
    known = len(collector.spans())
    answer = ask(envoy, message, headers)
    spans = {(span.service, span.kind): span for span in collector.await_spans(3, since=known)}
    received, sent = spans.pop(("mcp-gateway", "server")), spans.pop(("mcp-gateway", "client"))
    assert (sent.trace, sent.parent) == (received.trace, received.id)
    [server] = spans.values()
    assert (server.service, server.kind) == ("traced", "server")
    return answer, Spans(received, sent, server)


def with_trace(message: Any) -> Any:
    message["params"]["_meta"]["traceparent"] = TRACE
    return message


SEEN = "request_headers"
META = "request_meta"


def tool_says(answer: Any) -> dict[str, Any]:
    return json.loads(answer["result"]["content"][0]["text"])


def test_a_clients_trace_goes_on_in_envoy(default: Envoy, collector: Collector) -> None:
    answer, spans = trace(collector, default, call(SEEN), [*call_headers(SEEN), header()])
    assert (spans.received.trace, spans.received.parent) == (AGENT, AGENT_SPAN)
    assert tool_says(answer)["traceparent"] == f"00-{AGENT}-{spans.sent.id}-01"
    # The server looks for it in `_meta` alone.
    assert (spans.server.trace != AGENT, spans.server.parent) == (True, "")


def test_a_context_in_meta_alone_is_the_servers_and_not_envoys(default: Envoy, collector: Collector) -> None:
    answer, spans = trace(collector, default, with_trace(call(SEEN)), call_headers(SEEN))
    assert (spans.server.trace, spans.server.parent) == (AGENT, AGENT_SPAN)
    assert (spans.received.trace != AGENT, spans.received.parent) == (True, "")
    # But they say where it was.
    for span in (spans.received, spans.sent):
        assert span.attributes["mcp_gateway.client_traceparent"] == TRACE
    assert tool_says(answer)["traceparent"] == f"00-{spans.received.trace}-{spans.sent.id}-01"


def test_each_goes_on_where_it_came_in(default: Envoy, collector: Collector) -> None:
    _, spans = trace(collector, default, with_trace(call(SEEN)), [*call_headers(SEEN), header(OTHER)])
    assert (spans.server.trace, spans.received.trace) == (AGENT, OTHER)


def test_a_server_that_reads_meta_alone_goes_on_with_the_clients_trace(
    both: Envoy, collector: Collector
) -> None:
    headers = [*call_headers(META), header(), ("tracestate", "vendor=1"), ("baggage", "user=ann")]
    answer, spans = trace(collector, both, call(META), headers)
    assert (spans.server.trace, spans.server.parent) == (AGENT, AGENT_SPAN)
    assert (spans.received.trace, spans.received.parent) == (AGENT, AGENT_SPAN)
    meta = tool_says(answer)
    assert (meta["traceparent"], meta["tracestate"], meta["baggage"]) == (TRACE, "vendor=1", "user=ann")


def test_a_message_keeps_its_own_trace(both: Envoy, collector: Collector) -> None:
    answer, spans = trace(collector, both, with_trace(call(META)), [*call_headers(META), header(OTHER)])
    assert (spans.server.trace, tool_says(answer)["traceparent"]) == (AGENT, TRACE)


@pytest.fixture
def agent(collector: Collector) -> Iterator[None]:
    """What clients of this process do is traced."""
    provider = TracerProvider(resource=Resource.create({"service.name": "agent"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(collector.endpoint)))
    telemetry.set_tracer_provider(provider)
    yield
    provider.shutdown()


def test_the_python_sdk_has_one_trace_at_both_ends(default: Envoy, collector: Collector, agent: None) -> None:
    """It writes its context into `_meta` alone, so Envoy's spans are a trace of their own."""

    async def add() -> None:
        async with (
            create_mcp_http_client(headers=dict([bearer()])) as http,
            Client(streamable_http_client(default.url, http_client=http), mode="2026-07-28") as client,
        ):
            await client.call_tool("add", {"a": 1, "b": 2})

    known = len(collector.spans())
    anyio.run(add)

    def only(service: str, name: str) -> Span:
        def is_it(span: Span) -> bool:
            return (span.service, span.name) == (service, name)

        [span] = collector.await_spans(1, since=known, wanted=is_it)
        return span

    sent, served = only("agent", "MCP send tools/call add"), only("traced", "tools/call add")
    passed = only("mcp-gateway", "tools/call")
    assert (served.trace, served.parent) == (sent.trace, sent.id)
    assert passed.trace != sent.trace
    assert passed.attributes["mcp_gateway.client_traceparent"].startswith(f"00-{sent.trace}-{sent.id}-")


def test_spans_say_who_called_what(default: Envoy, collector: Collector) -> None:
    forged = [("x-mcp-method", "forged"), ("x-mcp-tenant", "forged"), ("x-tool", "forged")]
    _, spans = trace(collector, default, call("add", {"a": 1, "b": 2}), [*call_headers("add"), *forged])
    assert (spans.received.name, spans.sent.name) == ("POST", "tools/call")
    for span in (spans.received, spans.sent):
        said = span.attributes
        assert (said["mcp.method.name"], said["gen_ai.tool.name"]) == ("tools/call", "add")
        assert (said["mcp_gateway.tenant"], said["mcp.protocol.version"]) == ("acme", "2026-07-28")
        assert len(said["enduser.pseudo.id"]) == 22
    _, spans = trace(collector, default, modern("tools/list"), [*modern_headers("tools/list"), *forged])
    assert spans.sent.name == "tools/list"
    assert "gen_ai.tool.name" not in spans.sent.attributes


def test_a_refused_request_has_a_span_that_repeats_nothing(default: Envoy, collector: Collector) -> None:
    known = len(collector.spans())
    refused = post(default.port, call("add"), [*call_headers("add"), ("x-mcp-method", "forged"), header()])
    assert refused.status == 401
    [span] = collector.await_spans(1, since=known)
    assert (span.trace, span.attributes["http.status_code"]) == (AGENT, "401")
    assert "mcp.method.name" not in span.attributes


def test_a_trace_that_its_client_does_not_keep_is_not_exported(default: Envoy, collector: Collector) -> None:
    known = len(collector.spans())
    answer = ask(default, call(SEEN), [*call_headers(SEEN), header(OTHER, flags="00")])
    assert tool_says(answer)["traceparent"].startswith(f"00-{OTHER}-")
    assert tool_says(answer)["traceparent"].endswith("-00")
    # The next one's spans come alone.
    _, spans = trace(collector, default, call(SEEN), [*call_headers(SEEN), header()])
    services = [span.service for span in collector.spans()[known:] if span.trace == OTHER]
    assert services == [], services


def drop(config: EnvoyConfig) -> None:
    """Envoy keeps no traces."""
    trust_callers(config)
    config.connection_manager()["tracing"]["random_sampling"] = {"value": 0}


def withhold(config: EnvoyConfig) -> None:
    """Envoy tells no server of its spans."""
    traced(config)
    config.connection_manager()["tracing"]["no_context_propagation"] = True


def test_envoys_own_context_goes_upstream_even_where_it_keeps_no_traces() -> None:
    with ScriptedUpstream() as upstream:
        ports = {"mcp_servers": [upstream.port]}
        with Envoy(GATEWAY_YAML, upstreams=ports, edit=drop) as envoy:
            post(envoy.port, with_trace(call("add")), [*call_headers("add"), bearer()])
    [request] = upstream.requests()
    seen = (request.header("traceparent") or b"").decode()
    assert seen.endswith("-00") and AGENT not in seen
    assert json.loads(request.body)["params"]["_meta"]["traceparent"] == TRACE


def test_where_envoy_withholds_its_context_that_of_meta_goes_upstream(collector: Collector) -> None:
    with ScriptedUpstream() as upstream:
        ports = {"mcp_servers": [upstream.port], "otel_collector": [collector.port]}
        with Envoy(GATEWAY_YAML, upstreams=ports, edit=withhold) as envoy:
            known = len(collector.spans())
            post(envoy.port, with_trace(call("add")), [*call_headers("add"), bearer()])
            assert upstream.requests()[-1].header("traceparent") == TRACE.encode()
            assert {span.trace for span in collector.await_spans(2, since=known)}.isdisjoint({AGENT})


def test_nobody_misses_a_collector_that_is_not_there() -> None:
    with ScriptedUpstream() as upstream:
        ports = {"mcp_servers": [upstream.port], "otel_collector": [free_port()]}
        with Envoy(GATEWAY_YAML, upstreams=ports, edit=traced) as envoy:
            for _ in range(20):
                ask(envoy, modern("tools/list"), modern_headers("tools/list"))
            envoy.await_stat("cluster.otel_collector.upstream_rq_503", lambda failed: failed >= 20)
            assert len(upstream.requests()) == 20


# --- bodies that change


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as scripted:
        yield scripted


@pytest.fixture(scope="module")
def writing(packaging: str, upstream: ScriptedUpstream) -> Iterator[Envoy]:
    settings = {"mcp_sse": {"admission": {"max_body": "1MiB"}, "sse": {"trace_context": "both"}}}
    with Envoy(SSE_YAML, upstreams={"mcp_servers": [upstream.port]}, settings=settings) as envoy:
        yield envoy


PING = b'{"jsonrpc":"2.0", "id":12345678901234567890, "method":"ping", "params":{ "n": 1.0 }}'
ADDED = f'"_meta":{{"traceparent":"{TRACE}"}},'.encode()
TRACED_PING = PING.replace(b'"params":{', b'"params":{' + ADDED)


def test_a_changed_body_has_its_own_length(writing: Envoy, upstream: ScriptedUpstream) -> None:
    before = len(upstream.requests())
    with Connection(writing.port) as connection:
        for headers in ([header()], [], [header()]):
            connection.post(PING, headers)
            assert connection.answer().status == 200
    first, second, third = upstream.requests()[before:]
    assert (first.body, second.body, third.body) == (TRACED_PING, PING, TRACED_PING)
    for request in (first, second, third):
        assert request.header("content-length") == str(len(request.body)).encode()


def test_a_body_may_come_in_pieces(writing: Envoy, upstream: ScriptedUpstream) -> None:
    length = ("content-length", str(len(PING)))
    with Connection(writing.port) as connection:
        connection.send(request_head("POST", [HOST, *MEDIA, length, header()]))
        connection.send_pieces([PING[:7], PING[7:40], PING[40:]], pause_seconds=0.05)
        assert connection.answer().status == 200
    assert upstream.requests()[-1].body == TRACED_PING


def test_a_body_may_come_in_chunks(writing: Envoy, upstream: ScriptedUpstream) -> None:
    chunked = ("transfer-encoding", "chunked")
    with Connection(writing.port) as connection:
        connection.send(request_head("POST", [HOST, *MEDIA, chunked, header()]))
        chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (PING[:11], PING[11:])]
        connection.send_pieces([*chunks, b"0\r\n\r\n"], pause_seconds=0.05)
        assert connection.answer().status == 200
    request = upstream.requests()[-1]
    assert (request.body, request.header("content-length")) == (TRACED_PING, None)


@pytest.mark.parametrize("room", [0, -1])
def test_a_body_grows_as_far_as_bodies_may(writing: Envoy, upstream: ScriptedUpstream, room: int) -> None:
    size = (1 << 20) - len(ADDED) - room
    body = PING.replace(b"1.0", b'"' + b"x" * (size - len(PING) + 1) + b'"')
    assert len(body) == size
    assert post(writing.port, body, [header()]).status == 200
    expected = body.replace(b'"params":{', b'"params":{' + ADDED) if room == 0 else body
    assert upstream.requests()[-1].body == expected
