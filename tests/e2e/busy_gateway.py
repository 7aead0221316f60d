"""envoy/gateway.yaml with traffic of every kind that its dashboard shows."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import IncompleteRead
from pathlib import Path

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, Endpoint, EnvoyConfig
from e2e.identity import AUDIENCE, ISSUER, Issuer
from e2e.legacy import LegacySession
from e2e.messages import call, call_headers, modern, modern_headers
from e2e.raw import HOST, MEDIA, Answer, Connection, TextHeader, post, request_head
from e2e.servers import dual_era
from e2e.test_clients import Step, Tourist
from e2e.upstream import Exchange, ScriptedUpstream

GATEWAY_YAML = REPOSITORY / "envoy" / "gateway.yaml"
PLUGIN = "mcp_gateway"
MODEL = "gpt-9"
MODEL_PATH = "/v1/chat/completions"

STEPS: list[Step] = [
    {"tool": "add", "arguments": {"a": 1, "b": 2}},
    {"tool": "count", "arguments": {"to": 3}},
    {"prompt": "greeting", "arguments": {"who": "Ada"}},
]
REAL_CLIENTS = [Tourist("tour_mcp2.py", mode, "tour-mcp2") for mode in ("2026-07-28", "legacy")]

LIMITS = [
    {"name": "tenant-tokens", "key": ["tenant"], "unit": "tokens", "limit": 1_000_000, "window": "24h"},
    {
        "name": "greedy",
        "key": ["principal"],
        "unit": "requests",
        "limit": 1,
        "window": "1s",
        "match": {"methods": ["tools/call"], "names": ["greedy"]},
    },
]


def result(exchange: Exchange) -> bytes:
    id = json.loads(exchange.request.body)["id"]
    return json.dumps({"jsonrpc": "2.0", "id": id, "result": {"content": []}}).encode()


def plain(exchange: Exchange) -> None:
    """Answers anything as JSON, and a model's requests with a stream."""
    if MODEL_PATH in exchange.request.line:
        delta = {"choices": [{"index": 0, "delta": {"content": "Hello."}}]}
        usage = {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 50}}
        events(*(json.dumps(message).encode() for message in (delta, usage)))(exchange)
    elif exchange.request.line.startswith("GET"):
        exchange.start_events()
    elif b'"initialize"' in exchange.request.body:
        exchange.send_json(result(exchange), b"mcp-session-id: minted")
    elif b'"id"' not in exchange.request.body:
        exchange.send(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
    else:
        exchange.send_json(result(exchange))


def events(*data: bytes, pause: float = 0.01) -> Callable[[Exchange], None]:
    """Answers with a stream of these, a while after each other."""

    def answer(exchange: Exchange) -> None:
        exchange.start_events()
        for text in data:
            time.sleep(pause)
            exchange.send_chunk(b"data: " + text + b"\n\n")
        exchange.end_chunks()

    return answer


def mistyped_json(exchange: Exchange) -> None:
    exchange.start_events()
    exchange.send_chunk(result(exchange))
    exchange.end_chunks()


def mistyped_events(exchange: Exchange) -> None:
    exchange.send_json(b"data: " + result(exchange) + b"\n\n")


def broken_stream(exchange: Exchange) -> None:
    exchange.start_events()
    exchange.send_chunk(b"data: 1\n\n")
    raise ConnectionError


def broken(exchange: Exchange) -> None:
    raise ConnectionError


def overloaded(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")


@dataclass(frozen=True)
class BusyGateway:
    """The gateway in front of a real server, and of a primary and a backup that do as they are told."""

    envoy: Envoy
    primary: ScriptedUpstream
    backup: ScriptedUpstream
    authorization: TextHeader

    def drive(self) -> None:
        """One of everything."""
        for client in REAL_CLIENTS:
            seen = client.tour(f"http://127.0.0.1:{self.envoy.port}/real", STEPS)["seen"]
            assert [step["text"] for step in seen] == ["3", "counted to 3", "Say hello to Ada."]
        for answer in (events(b"1", b"2"), mistyped_json, mistyped_events, broken_stream, broken, overloaded):
            self.primary.answer = self.backup.answer = answer
            try:
                self.call("stream")
            except IncompleteRead:
                assert answer is broken_stream
        self.primary.answer, self.backup.answer = overloaded, plain
        for _ in range(8):  # of the two that are asked first, one is not there
            assert self.ask(modern("tools/list"), modern_headers("tools/list")).status == 200
        self.primary.answer = plain
        LegacySession.open(self.envoy.port, [self.authorization]).call("add")
        assert self.model().status == 200
        assert {self.call("greedy").status for _ in range(2)} == {200}
        assert self.call("delete_all").status == 403
        assert self.call("add", ("origin", "https://evil.example")).status == 403
        stranger = [*call_headers("add"), ("authorization", "Bearer x")]
        assert post(self.envoy.port, call("add"), stranger).status == 401
        assert self.ask(call("add"), call_headers("other")).status == 200, "this is only reported"

    @contextmanager
    def open_stream(self) -> Iterator[None]:
        """A client that listens."""
        with Connection(self.envoy.port) as connection:
            head = [HOST, ("accept", "text/event-stream"), self.authorization]
            connection.send(request_head("GET", head))
            assert connection.head().status == 200
            yield

    def call(self, tool: str, *headers: TextHeader) -> Answer:
        return self.ask(call(tool), [*call_headers(tool), *headers])

    def model(self) -> Answer:
        message = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
        body = json.dumps(message).encode()
        headers = [HOST, *MEDIA, ("content-length", str(len(body))), self.authorization]
        with Connection(self.envoy.port) as connection:
            connection.send(request_head("POST", headers, MODEL_PATH) + body)
            return connection.answer()

    def ask(self, message: object, headers: list[TextHeader]) -> Answer:
        return post(self.envoy.port, message, [*headers, self.authorization])


@contextmanager
def busy_gateway(directory: Path) -> Iterator[BusyGateway]:
    """Starts it, with nothing asked so far."""
    callers = Issuer()
    scopes = "mcp:read mcp:write"
    name, token = callers.bearer("ann", org={"id": "acme"}, scope=scopes)

    def edit(config: EnvoyConfig) -> None:
        issuer = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": {"keys": [callers.key]}}
        issuer["tenant_claim"] = "org.id"
        settings = {
            "admission": {"llm_paths": ["/v1/*"], "validation": "log_only"},
            "auth": {"issuers": [issuer]},
            "quota": {"limits": LIMITS},
        }
        config.change_settings(PLUGIN, settings)
        config.document["stats_flush_interval"] = "0.5s"
        config.copy_cluster("mcp_servers", "real_servers", [Endpoint(real.port)])
        # So that the server that is not there is asked, again and again.
        servers = config.cluster("mcp_servers")
        del servers["health_checks"]
        servers["outlier_detection"] |= {"consecutive_5xx": 1000, "consecutive_gateway_failure": 1000}
        manager = config.connection_manager()
        manager["early_header_mutation_extensions"] = [with_token(token)]
        [host] = manager["route_config"]["virtual_hosts"]
        tours = {"cluster": "real_servers", "prefix_rewrite": "/mcp", "timeout": "0s"}
        models = {**host["routes"][-1]["route"]}
        host["routes"] = [
            {"match": {"path": "/real"}, "route": tours},
            {"match": {"prefix": "/v1/"}, "route": models},
            *host["routes"],
        ]

    with ExitStack() as stack:
        real = stack.enter_context(dual_era(directory))
        primary = stack.enter_context(ScriptedUpstream(plain))
        backup = stack.enter_context(ScriptedUpstream(plain))
        unused = stack.enter_context(socket.socket())
        unused.bind(("127.0.0.1", 0))
        nobody = Endpoint(unused.getsockname()[1])
        endpoints = [Endpoint(primary.port), nobody, Endpoint(backup.port, priority=1)]
        envoy = Envoy(GATEWAY_YAML, upstreams={"mcp_servers": endpoints}, edit=edit, concurrency=2)
        yield BusyGateway(stack.enter_context(envoy), primary, backup, (name, token))


def with_token(token: str) -> dict[str, object]:
    """Gives requests without a token this one: the tours are given a URL and nothing else."""
    header = {"key": "authorization", "value": token}
    kind = "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
    append = {"header": header, "append_action": "ADD_IF_ABSENT"}
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {"@type": kind, "mutations": [{"append": append}]},
    }
