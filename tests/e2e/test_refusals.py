"""What is refused, with the status, JSON-RPC shape and id that keep clients alive, and what no client can set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from e2e.envoy import Envoy
from e2e.messages import META, call, call_headers, initialize, legacy_call, modern, modern_headers
from e2e.raw import HOST, MEDIA, Answer, Connection, Header, post, request_head, send
from e2e.servers import McpServer

ALLOWED = ("origin", "https://app.example.com")
FOREIGN = ("origin", "https://evil.example")


def without(message: dict[str, Any], key: str) -> dict[str, Any]:
    """The message without one key of its `_meta`."""
    copy = json.loads(json.dumps(message))
    del copy["params"]["_meta"][META + key]
    return copy


def claiming(version: str) -> dict[str, Any]:
    """A call whose body names that version."""
    message = call("add", {"a": 1, "b": 2})
    message["params"]["_meta"][META + "protocolVersion"] = version
    return message


def headers(version: str = "2026-07-28", method: str = "tools/call", name: str = "add") -> list[Header]:
    return [("mcp-protocol-version", version), ("mcp-method", method), ("mcp-name", name)]


ADD = call("add", {"a": 1, "b": 2}, id="call-7")
REFUSED_MODERN: dict[str, tuple[Any, Sequence[Header], int, int]] = {
    "name differs": (ADD, headers(name="delete_everything"), 400, -32020),
    "name is missing": (ADD, modern_headers("tools/call"), 400, -32020),
    "name is malformed": (ADD, headers(name="=?base64?%%%?="), 400, -32020),
    "name is repeated": (ADD, [*headers(), ("mcp-name", "add")], 400, -32020),
    "method differs": (ADD, headers(method="tools/list"), 400, -32020),
    "method is missing": (ADD, [("mcp-protocol-version", "2026-07-28"), ("mcp-name", "add")], 400, -32020),
    "versions differ": (claiming("2027-01-01"), headers(), 400, -32020),
    "modern body, legacy header": (ADD, headers(version="2025-11-25"), 400, -32020),
    "modern body, no version header": (ADD, headers()[1:], 400, -32020),
    "version unknown": (claiming("2027-01-01"), headers(version="2027-01-01"), 400, -32022),
    "no version in body": (without(ADD, "protocolVersion"), headers(), 400, -32602),
    "no capabilities in body": (without(ADD, "clientCapabilities"), headers(name="other"), 400, -32602),
}


@pytest.mark.parametrize("case", REFUSED_MODERN)
def test_modern_disagreement_is_refused(case: str, gateway: Envoy) -> None:
    message, sent, status, code = REFUSED_MODERN[case]
    answer, [entry] = gateway.logged(lambda: post(gateway.port, message, sent))
    assert (answer.status, answer.error_code) == (status, code), answer.body
    assert answer.json()["id"] == message["id"], "the client waits for an answer to this id"
    assert entry["upstream"] is None, "servers refuse some of this as well; here it must not reach one"


def test_unsupported_version_says_what_is_supported(gateway: Envoy) -> None:
    data = post(gateway.port, claiming("2027-01-01"), headers(version="2027-01-01")).json()["error"]["data"]
    assert data["requested"] == "2027-01-01"
    assert data["supported"] == ["2026-07-28"], "clients retry with one of these, in the same era"


REFUSED_BODIES: dict[str, tuple[bytes, int]] = {
    "not JSON": (b"{", -32700),
    "empty": (b"", -32700),
    "trailing bytes": (json.dumps(ADD).encode() + b"{}", -32700),
    "byte order mark": (b"\xef\xbb\xbf" + json.dumps(ADD).encode(), -32700),
    "invalid UTF-8": (json.dumps(ADD).encode().replace(b"call-7", b"call-\xff"), -32700),
    "duplicate key": (
        json.dumps(ADD).encode().replace(b'"method"', b'"method": "tools/list", "method"', 1),
        -32600,
    ),
    "case variant of a key": (json.dumps(ADD).encode().replace(b'"method"', b'"Method"', 1), -32600),
    "escaped duplicate of a key": (
        json.dumps(ADD).encode().replace(b'"method"', b'"m\\u0065thod": "x", "method"', 1),
        -32600,
    ),
    "deep nesting": (
        json.dumps(call("add", {"a": 0})).encode().replace(b"0", b"[" * 5000 + b"]" * 5000, 1),
        -32600,
    ),
    "batch": (json.dumps([ADD, ADD]).encode(), -32600),
    "not an object": (b"7", -32600),
}


@pytest.mark.parametrize("case", REFUSED_BODIES)
def test_ambiguous_body_is_refused(case: str, gateway: Envoy) -> None:
    body, code = REFUSED_BODIES[case]
    answer, [entry] = gateway.logged(lambda: post(gateway.port, body, call_headers("add")))
    assert (answer.status, answer.error_code) == (400, code), answer.body
    assert entry["upstream"] is None


REFUSED_REQUESTS: dict[str, tuple[bytes, int]] = {
    "GET of the modern era": (request_head("GET", [HOST, *modern_headers("tools/call")]), 405),
    "PUT": (request_head("PUT", [HOST, ("content-length", "0")]), 405),
    "form": (
        request_head(
            "POST", [HOST, ("content-type", "application/x-www-form-urlencoded"), ("content-length", "3")]
        )
        + b"a=b",
        415,
    ),
    "no content type": (request_head("POST", [HOST, ("content-length", "2")]) + b"{}", 415),
    "foreign origin": (request_head("GET", [HOST, FOREIGN]), 403),
    "null origin": (request_head("GET", [HOST, ("origin", "null")]), 403),
}


@pytest.mark.parametrize("case", REFUSED_REQUESTS)
def test_what_is_not_mcp_is_refused(case: str, gateway: Envoy) -> None:
    data, status = REFUSED_REQUESTS[case]

    def exchange() -> Answer:
        with Connection(gateway.port) as client:
            client.send(data)
            return client.answer()

    answer, [entry] = gateway.logged(exchange)
    assert (answer.status, entry["upstream"]) == (status, None), answer.body
    if status == 405:
        assert "POST" in answer.headers["allow"]


def test_foreign_origin_gets_an_error_without_an_id(gateway: Envoy) -> None:
    answer = post(gateway.port, ADD, [*headers(), FOREIGN])
    assert answer.status == 403
    assert answer.json() == {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Origin not allowed"}}


def preflight(gateway: Envoy, origin: Header) -> Answer:
    asked = [
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "mcp-param-region"),
    ]
    return send(gateway.port, "OPTIONS", [origin, *asked])


def test_browser_of_a_listed_origin_may_call_and_read(gateway: Envoy) -> None:
    allowed = preflight(gateway, ALLOWED)
    assert allowed.status == 204
    assert allowed.headers["access-control-allow-origin"] == "https://app.example.com"
    assert allowed.headers["access-control-max-age"] == "600"
    names = {name.strip().lower() for name in allowed.headers["access-control-allow-headers"].split(",")}
    assert {"authorization", "mcp-protocol-version", "mcp-method", "mcp-name", "mcp-session-id"} <= names
    assert "mcp-param-region" in names

    for answer in (
        post(gateway.port, ADD, [*headers(), ALLOWED]),
        post(gateway.port, b"{", [*headers(), ALLOWED]),
    ):
        assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
        assert "mcp-session-id" in answer.headers["access-control-expose-headers"].lower()


def test_browser_of_another_origin_is_told_nothing(gateway: Envoy) -> None:
    refused = preflight(gateway, FOREIGN)
    assert refused.status == 403
    assert refused.headers["access-control-allow-origin"] is None


OWNED = ["era", "method", "name", "session", "affinity", "principal", "tenant", "agent", "scopes", "handoff"]


def seen_upstream(answer: Answer) -> dict[str, str]:
    """The headers that `request_headers` saw."""
    return json.loads(answer.json()["result"]["content"][0]["text"])


def test_forged_headers_never_reach_the_server(gateway: Envoy) -> None:
    forged: list[Header] = [(f"x-mcp-{name}", "forged") for name in OWNED]
    forged += [(f"X-MCP-{name.upper()}", "forged again") for name in OWNED]
    headers = [*call_headers("request_headers"), *forged]
    answer, [entry] = gateway.logged(lambda: post(gateway.port, call("request_headers"), headers))
    assert answer.status == 200
    seen = {name: value for name, value in seen_upstream(answer).items() if name.startswith("x-mcp-")}
    assert "forged" not in " ".join(seen.values())
    assert (seen["x-mcp-era"], seen["x-mcp-method"], seen["x-mcp-name"]) == (
        "modern",
        "tools/call",
        "request_headers",
    )
    assert (entry["era"], entry["session"], entry["agent"]) == ("modern", None, "raw-client")


def test_underscore_spelling_is_refused_by_the_shipped_configuration(gateway: Envoy) -> None:
    assert post(gateway.port, ADD, [*headers(), ("x_mcp_principal", "admin")]).status == 400


def test_underscore_spelling_is_removed_where_envoy_lets_it_in(
    session_yaml: Path, python_server: McpServer
) -> None:
    def let_in(config: Any) -> None:
        del config.connection_manager()["common_http_protocol_options"]["headers_with_underscores_action"]

    with Envoy(session_yaml, upstreams={"mcp_servers": [python_server.port]}, edit=let_in) as gateway:
        forged = [("x_mcp_principal", "admin"), ("Mcp_Name", "other"), ("harmless_header", "kept")]
        seen = seen_upstream(
            post(gateway.port, call("request_headers"), [*call_headers("request_headers"), *forged])
        )
    assert "x_mcp_principal" not in seen and "mcp_name" not in seen
    assert seen["harmless_header"] == "kept"


def test_other_paths_are_stripped_and_left_alone(gateway: Envoy) -> None:
    headers = [FOREIGN, ("x-mcp-era", "forged"), ("x-mcp-session", "forged")]
    answer, [entry] = gateway.logged(lambda: send(gateway.port, "GET", headers, path="/health"))
    assert answer.status == 404, "the server's own answer"
    assert entry["upstream"] is not None
    assert (entry["era"], entry["session"]) == (None, None)


def test_oversized_body_is_refused_before_and_while_it_arrives(gateway: Envoy) -> None:
    large = json.dumps(call("add", {"a": "x" * 1_100_000})).encode()
    assert post(gateway.port, large, call_headers("add")).status == 413
    with Connection(gateway.port) as client:
        client.send(
            request_head("POST", [HOST, *MEDIA, *call_headers("add"), ("transfer-encoding", "chunked")])
        )
        client.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(large), large))
        assert client.answer().status == 413


def test_log_only_lets_disagreement_pass(session_yaml: Path, python_server: McpServer) -> None:
    settings = {"mcp_session": {"admission": {"validation": "log_only"}}}
    with Envoy(session_yaml, upstreams={"mcp_servers": [python_server.port]}, settings=settings) as gateway:
        answer, [entry] = gateway.logged(lambda: post(gateway.port, call("add"), call_headers("other")))
        assert entry["upstream"] is not None
        assert answer.error_code == -32020, "the server's own answer"
        assert "header_mismatch" in gateway.log_text()


def test_trusted_headers_need_no_body(session_yaml: Path, python_server: McpServer) -> None:
    """The head alone decides: the request is at the server before its body has ended."""
    settings = {"mcp_session": {"admission": {"validation": "trust_headers"}}}
    with Envoy(session_yaml, upstreams={"mcp_servers": [python_server.port]}, settings=settings) as gateway:
        body = json.dumps(call("add", {"a": 1, "b": 2})).encode()
        with Connection(gateway.port) as client:
            length = ("content-length", str(len(body)))
            client.send(request_head("POST", [HOST, *MEDIA, *call_headers("add"), length]) + body[:-1])
            gateway.await_stat("cluster.mcp_servers.upstream_rq_active", lambda active: active == 1)
            client.send(body[-1:])
            assert client.answer().json()["result"]["content"][0]["text"] == "3"
        [entry] = gateway.settled_log()
        assert (entry["era"], entry["method"], entry["name"]) == ("modern", "tools/call", "add")


def test_legacy_call_needs_no_headers(gateway: Envoy) -> None:
    """Legacy clients send none of the mirrored headers; what they call is read from the body."""

    def exchange() -> Answer:
        session = post(gateway.port, initialize()).headers["mcp-session-id"]
        return post(gateway.port, legacy_call("add", {"a": 1, "b": 2}), [("mcp-session-id", session)])

    answer, [first, second] = gateway.logged(exchange)
    assert answer.json()["result"]["content"][0]["text"] == "3"
    assert (first["era"], first["method"], first["name"]) == ("legacy", "initialize", None)
    assert (second["era"], second["method"], second["name"]) == ("legacy", "tools/call", "add")
    assert second["agent"] == "raw-client", "the name a legacy client gave once, at initialize"


def test_discovery_passes(gateway: Envoy) -> None:
    answer = post(gateway.port, modern("server/discover"), modern_headers("server/discover"))
    assert answer.status == 200 and "2026-07-28" in answer.json()["result"]["supportedVersions"]
