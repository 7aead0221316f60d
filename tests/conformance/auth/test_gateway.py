"""What the gateway of a scenario learns from its upstream, is configured with, and judges its client by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from conformance.auth.client import Seen
from conformance.auth.gateway import judge, learn, settings

URL = "http://127.0.0.1:7777/mcp"
METADATA = "/.well-known/oauth-protected-resource/mcp"
ROOT = "/.well-known/oauth-protected-resource"


@contextmanager
def server(place: str | None, named: str | None) -> Iterator[str]:
    """An MCP server that describes itself at `place`, and names `named` in its challenges."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(401)
            if named:
                self.send_header("www-authenticate", f'Bearer error="x", resource_metadata="{self._origin()}{named}"')
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200 if self.path == place else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"authorization_servers": [f"http://as{place}"]}).encode())

        def _origin(self) -> str:
            return f"http://{self.headers['host']}"

        def log_message(self, *_: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.server_address[1]}/mcp"
    finally:
        listener.shutdown()
        listener.server_close()


@pytest.mark.parametrize(
    ("place", "named"),
    [
        pytest.param("/elsewhere.json", "/elsewhere.json", id="where the challenge says"),
        pytest.param(METADATA, None, id="at the path"),
        pytest.param(ROOT, None, id="at the root"),
    ],
)
def test_a_server_is_asked_where_it_describes_itself(place: str, named: str | None) -> None:
    with server(place, named) as upstream:
        assert learn(upstream) == {"authorization_servers": [f"http://as{place}"]}


def test_a_server_without_metadata_is_its_own_authorization_server() -> None:
    with server(None, None) as upstream:
        assert learn(upstream) == {"authorization_servers": [upstream.removesuffix("/mcp")]}


def test_the_gateway_describes_itself_and_leaves_tokens_alone() -> None:
    auth = settings(URL, {"authorization_servers": ["http://as"], "scopes_supported": ["a", "b"]})["auth"]
    assert auth["metadata"] == {"resource": URL, "authorization_servers": ["http://as"], "scopes_supported": ["a", "b"]}
    assert auth["shadow"]
    assert auth["upstream_credentials"] == "keep"
    assert [issuer["issuer"] for issuer in auth["issuers"]] == ["http://as"]


SHADOWED = {
    "wasmcustom.mcp_requests.era.modern.mcp_method_name.tools/list.gen_ai_tool_name.none.outcome.shadowed.error_type.unauthorized": 3
}
FORWARDED = {"wasmcustom.mcp_requests.era.modern.mcp_method_name.tools/list.gen_ai_tool_name.none.outcome.forwarded": 1}
SERVED = {"http": f"GET {METADATA}", "status": 200, "upstream": None}
OWN = f'Bearer scope="a", resource_metadata="http://127.0.0.1:7777{METADATA}"'


@pytest.mark.parametrize(
    ("challenges", "resources", "log", "verdicts"),
    [
        pytest.param([OWN], [URL], [SERVED], "SUCCESS SUCCESS SUCCESS", id="led by the gateway"),
        pytest.param([], [], [SERVED], "SUCCESS SKIPPED SKIPPED", id="nothing to judge"),
        pytest.param(["Bearer"], [URL], [SERVED], "SUCCESS SKIPPED SUCCESS", id="a challenge that names nothing"),
        pytest.param([OWN], [URL], [], "FAILURE SUCCESS SUCCESS", id="metadata not read"),
        pytest.param([OWN], [URL], [SERVED | {"status": 404}], "FAILURE SUCCESS SUCCESS", id="metadata not there"),
        pytest.param(
            [OWN], [URL], [SERVED | {"upstream": "127.0.0.1:1"}], "FAILURE SUCCESS SUCCESS", id="upstream metadata"
        ),
        pytest.param(
            [OWN, OWN.replace("7777", "8888")], [URL], [SERVED], "SUCCESS FAILURE SUCCESS", id="upstream challenge"
        ),
        pytest.param(
            [OWN], [URL, "http://localhost:8888/mcp"], [SERVED], "SUCCESS SUCCESS FAILURE", id="upstream resource"
        ),
    ],
)
def test_a_client_led_elsewhere_is_told(
    challenges: list[str], resources: list[str], log: list[dict[str, object]], verdicts: str
) -> None:
    checks = judge(URL, Seen(challenges, resources), log, SHADOWED)
    assert [check["name"] for check in checks] == [
        "GatewayMetadata",
        "GatewayChallenge",
        "GatewayResource",
        "GatewayShadow",
    ]
    assert " ".join(check["status"] for check in checks) == f"{verdicts} SUCCESS"


@pytest.mark.parametrize("counts", [{}, FORWARDED, SHADOWED | FORWARDED], ids=["no module", "all", "some"])
def test_a_request_that_the_gateway_did_not_judge_is_told(counts: dict[str, int]) -> None:
    assert judge(URL, Seen(), [], counts)[-1] == {
        "name": "GatewayShadow",
        "description": "The gateway finds each request unauthorized, and lets it pass",
        "status": "FAILURE",
    }
