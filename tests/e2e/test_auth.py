"""mcp_auth.wasm at a real Envoy: keys fetched from a real HTTP server, tokens signed by a real key."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, EnvoyConfig
from e2e.key_server import KeyServer
from e2e.messages import call, call_headers
from e2e.raw import post, send
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


@pytest.fixture(scope="module")
def key_server() -> Iterator[KeyServer]:
    with KeyServer(ISSUER, AUDIENCE, "math", delay=0.3) as server:  # requests arrive before their keys
        yield server


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
