"""mcp_auth.wasm at a real Envoy: keys fetched from a real HTTP server, tokens signed by a real key."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, EnvoyConfig
from e2e.messages import call, call_headers
from e2e.raw import TextHeader, post, send
from e2e.servers import McpServer

ISSUER = "https://issuer.example"
AUDIENCE = "https://mcp.example.com/mcp"
KEYS_CLUSTER = "issuer_keys"
PLUGIN = "mcp_session"
SETTINGS = {
    "admission": {"paths": ["/mcp"]},
    "auth": {
        "issuers": [
            {
                "issuer": ISSUER,
                "audiences": [AUDIENCE],
                "jwks": {"service": KEYS_CLUSTER, "path": "/jwks.json", "cooldown": "1s"},
            }
        ],
        "metadata": {"resource": AUDIENCE, "authorization_servers": [ISSUER]},
        "rules": [
            {"action": "allow", "methods": ["tools/call"], "names": ["add"], "scopes": {"all_of": ["math"]}},
            {"action": "allow", "methods": ["tools/list"]},
        ],
        "export_key": "ZXhhbXBsZSBleHBvcnQga2V5IGZvciB4LW1jcC1zZXNzaW9uIQ==",
    },
}


class KeyServer:
    """Serves a key set, slowly enough that requests arrive before their keys."""

    def __init__(self) -> None:
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.requests = 0
        self.delay = 0.3
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests += 1
                time.sleep(outer.delay)
                body = outer.document().encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.rotate("first")

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def rotate(self, kid: str) -> None:
        self.keys[kid] = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def document(self) -> str:
        keys = [
            json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "alg": "RS256"}
            for kid, key in self.keys.items()
        ]
        return json.dumps({"keys": keys})

    def bearer(self, kid: str = "first", **claims: object) -> TextHeader:
        now = int(time.time())
        all_claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "client_id": "e2e", "scope": "math"}
        token = jwt.encode(
            {**all_claims, "iat": now, "exp": now + 300, **claims}, self.keys[kid], "RS256", headers={"kid": kid}
        )
        return "authorization", f"Bearer {token}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def key_server() -> Iterator[KeyServer]:
    server = KeyServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def gateway(session_yaml: Path, python_server: McpServer, key_server: KeyServer) -> Iterator[Envoy]:
    def edit(config: EnvoyConfig) -> None:
        config.set_module(PLUGIN, REPOSITORY / "dist" / "mcp_auth.wasm")
        config.replace_settings(PLUGIN, SETTINGS)
        address = {"socket_address": {"address": "127.0.0.1", "port_value": key_server.port}}
        config.document["static_resources"]["clusters"].append(
            {
                "name": KEYS_CLUSTER,
                "type": "STATIC",
                "connect_timeout": "2s",
                "load_assignment": {
                    "cluster_name": KEYS_CLUSTER,
                    "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
                },
            }
        )

    with Envoy(session_yaml, upstreams={"mcp_servers": [python_server.port]}, edit=edit) as envoy:
        yield envoy


def test_a_request_waits_for_the_keys_with_its_body(gateway: Envoy, key_server: KeyServer) -> None:
    answer = post(gateway.port, call("add", {"a": 1, "b": 2}), [*call_headers("add"), key_server.bearer()])
    assert answer.status == 200
    assert b"3" in answer.body
    assert key_server.requests == 1


def test_nobody_is_challenged_and_finds_the_metadata(gateway: Envoy) -> None:
    answer = post(gateway.port, call("add"), call_headers("add"))
    assert answer.status == 401
    metadata = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
    assert answer.headers.get("www-authenticate", "") == f'Bearer resource_metadata="{metadata}"'
    document = send(gateway.port, "GET", [], path="/.well-known/oauth-protected-resource/mcp")
    assert json.loads(document.body)["authorization_servers"] == [ISSUER]


@pytest.mark.parametrize(
    "claims",
    [{"aud": "https://other.example"}, {"iss": "https://other.example"}, {"exp": 1}, {"nbf": 4102444800}],
    ids=["audience", "issuer", "expired", "not yet"],
)
def test_a_token_that_does_not_hold_is_refused(
    gateway: Envoy, key_server: KeyServer, claims: dict[str, object]
) -> None:
    answer = post(gateway.port, call("add"), [*call_headers("add"), key_server.bearer(**claims)])
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers.get("www-authenticate", "")


def test_the_missing_scope_is_named(gateway: Envoy, key_server: KeyServer) -> None:
    answer = post(gateway.port, call("add"), [*call_headers("add"), key_server.bearer(scope="other")])
    assert answer.status == 403
    assert 'scope="math"' in answer.headers.get("www-authenticate", "")


def test_a_rotated_key_is_fetched_once(gateway: Envoy, key_server: KeyServer) -> None:
    key_server.rotate("second")
    time.sleep(1.1)  # the configured cooldown
    before = key_server.requests
    for _ in range(2):
        answer = post(
            gateway.port, call("add", {"a": 1, "b": 2}), [*call_headers("add"), key_server.bearer("second")]
        )
        assert answer.status == 200
    assert key_server.requests == before + 1
