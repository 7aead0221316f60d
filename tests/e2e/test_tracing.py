"""Traces at a real Envoy: whose spans are whose children when a client says where it is in a trace in its head, in
`_meta`, or nowhere, and what becomes of requests when nobody takes the spans.

Envoy begins its span before any filter runs, so a context that is in `_meta` alone is not its parent, and the
`traceparent` that goes upstream is Envoy's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.collector import Collector, Span
from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, EnvoyConfig
from e2e.identity import AUDIENCE, ISSUER, Issuer
from e2e.messages import call, call_headers, legacy_call, modern, modern_headers
from e2e.process import free_port
from e2e.raw import HOST, MEDIA, Connection, TextHeader, post, request_head
from e2e.servers import McpServer, dual_era
from e2e.upstream import Request, ScriptedUpstream

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


def export_at_once(config: EnvoyConfig) -> None:
    """Every span, each by itself."""
    config.document["layered_runtime"]["layers"][0]["static_layer"]["tracing.opentelemetry.min_flush_spans"] = 1
    sampler = config.connection_manager()["tracing"]["provider"]["typed_config"]["sampler"]["typed_config"]
    sampler["wrapped_sampler"]["typed_config"]["sampling_percentage"]["numerator"] = 100


def trust_callers(config: EnvoyConfig) -> None:
    issuer = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": {"keys": [CALLERS.key]}, "tenant_claim": "org.id"}
    config.change_settings(PLUGIN, {"auth": {"issuers": [issuer]}})


def traced(config: EnvoyConfig) -> None:
    trust_callers(config)
    export_at_once(config)


def ask(envoy: Envoy, message: Any, headers: list[TextHeader]) -> Any:
    bearer = CALLERS.bearer("ann", org={"id": "acme"}, scope="mcp:read")
    answered = post(envoy.port, message, [*headers, bearer])
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
    assert tool_says(answer)["traceparent"] == f"00-{spans.received.trace}-{spans.sent.id}-01"


def test_each_goes_on_where_it_came_in(default: Envoy, collector: Collector) -> None:
    _, spans = trace(collector, default, with_trace(call(SEEN)), [*call_headers(SEEN), header(OTHER)])
    assert (spans.server.trace, spans.received.trace) == (AGENT, OTHER)


def test_a_server_that_reads_meta_alone_goes_on_with_the_clients_trace(both: Envoy, collector: Collector) -> None:
    headers = [*call_headers(META), header(), ("tracestate", "vendor=1"), ("baggage", "user=ann")]
    answer, spans = trace(collector, both, call(META), headers)
    assert (spans.server.trace, spans.server.parent) == (AGENT, AGENT_SPAN)
    assert (spans.received.trace, spans.received.parent) == (AGENT, AGENT_SPAN)
    meta = tool_says(answer)
    assert (meta["traceparent"], meta["tracestate"], meta["baggage"]) == (TRACE, "vendor=1", "user=ann")


def test_a_message_keeps_its_own_trace(both: Envoy, collector: Collector) -> None:
    answer, spans = trace(collector, both, with_trace(call(META)), [*call_headers(META), header(OTHER)])
    assert (spans.server.trace, tool_says(answer)["traceparent"]) == (AGENT, TRACE)


def test_the_python_sdk_at_both_ends_makes_one_trace(both: Envoy, collector: Collector) -> None:
    pass


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
    trace_of_next = trace
    assert collector.spans()[known:] == []
