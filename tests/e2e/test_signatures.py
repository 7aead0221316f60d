"""Who judges a token's signature at a real Envoy: Envoy itself, or the module for what Envoy cannot."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, EnvoyConfig
from e2e.messages import call, call_headers
from e2e.raw import post
from e2e.servers import McpServer

ISSUER = "https://issuer.example"
AUDIENCE = "https://mcp.example.com/mcp"
PLUGIN = "mcp_session"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS: dict[str, PrivateKey] = {
    "RS256": _RSA,
    "RS384": _RSA,
    "RS512": _RSA,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "PS256": _RSA,
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
"""A key per algorithm; its `kid` is the algorithm's name."""

BY_ENVOY = ["RS256", "RS384", "RS512", "ES256", "ES384"]
CALL = "[vm->host] env.proxy_call_foreign_function"
"""What Envoy traces of a module that calls one of its foreign functions."""


def public(algorithm: str) -> dict[str, str]:
    jwk = jwt.get_algorithm_by_name(algorithm).to_jwk(KEYS[algorithm].public_key(), as_dict=True)
    return {**jwk, "kid": algorithm, "alg": algorithm}


def token(algorithm: str) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "client_id": "e2e", "iat": now, "exp": now + 300}
    return jwt.encode(claims, KEYS[algorithm], algorithm, headers={"kid": algorithm})


@pytest.fixture(scope="module")
def tracing_gateway(session_yaml: Path, python_server: McpServer) -> Iterator[Envoy]:
    """An Envoy that logs every call a module makes."""
    issuer = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": {"keys": [public(name) for name in KEYS]}}
    export_key = "ZXhhbXBsZSBleHBvcnQga2V5IGZvciB4LW1jcC1zZXNzaW9uIQ=="

    def edit(config: EnvoyConfig) -> None:
        config.set_module(PLUGIN, REPOSITORY / "dist" / "mcp_auth.wasm")
        config.replace_settings(PLUGIN, {"auth": {"issuers": [issuer], "export_key": export_key}})

    upstreams = {"mcp_servers": [python_server.port]}
    with Envoy(session_yaml, upstreams=upstreams, edit=edit, log_level="trace") as envoy:
        yield envoy


def test_envoy_says_at_start_what_it_judges(tracing_gateway: Envoy) -> None:
    assert "signatures of RS256, RS384, RS512, ES256 and ES384 are verified by the host" in tracing_gateway.log_text()


@pytest.mark.parametrize("algorithm", KEYS)
def test_good_tokens_pass_and_tampered_ones_do_not(tracing_gateway: Envoy, algorithm: str) -> None:
    good = token(algorithm)
    signed, signature = good.rsplit(".", 1)
    tampered = f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    for bearer, status in ((tampered, 401), (good, 200)):
        before = tracing_gateway.log_text().count(CALL)
        fields = [*call_headers("add"), ("authorization", f"Bearer {bearer}")]
        answer = post(tracing_gateway.port, call("add", {"a": 1, "b": 2}), fields)
        assert answer.status == status
        assert tracing_gateway.log_text().count(CALL) - before == (algorithm in BY_ENVOY)
