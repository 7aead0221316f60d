"""Envoy with `mcp_gateway.wasm` in front of an MCP server that protects itself.

As an operator would, it learns from the server which authorization server to name. Tokens are the
server's business (`shadow`, `upstream_credentials: keep`); challenges and metadata are the gateway's.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from conformance.auth.client import Seen
from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, Endpoint, EnvoyConfig
from e2e.process import POLL_SECONDS, StartError, accepts, free_port

CONFIGURATION = REPOSITORY / "envoy/session.yaml"
MODULE = REPOSITORY / "dist/mcp_gateway.wasm"
PLUGIN = "mcp_session"
WELL_KNOWN = "/.well-known/oauth-protected-resource"
METADATA_PARAMETER = re.compile(r'resource_metadata="([^"]*)"')
EXPORT_KEY = "ZXhhbXBsZSBleHBvcnQga2V5IGZvciB4LW1jcC1zZXNzaW9uIQ=="
LEARN_SECONDS = 5.0
ACCEPT_SECONDS = 15.0
HANDED_OVER_SECONDS = 1.1
"""Within which the module tells Envoy its counts, and a little more."""
XDS = {
    "cds": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "lds": "type.googleapis.com/envoy.config.listener.v3.Listener",
}
STATUS = {True: "SUCCESS", False: "FAILURE", None: "SKIPPED"}


@dataclass(frozen=True)
class Gateway:
    """The gateway of one scenario, at `url`."""

    url: str
    envoy: Envoy
    outcomes_before: Mapping[str, int]

    def checks(self, seen: Seen) -> list[dict[str, str]]:
        """Our own checks, told as the suite tells its own: they look at what it cannot see."""
        time.sleep(HANDED_OVER_SECONDS)
        log = [entry for entry in self.envoy.settled_log() if entry["port"] == urlsplit(self.url).port]
        counts = Counter(_outcomes(self.envoy)) - Counter(self.outcomes_before)
        return judge(self.url, seen, log, counts)


class Gateways:
    """Gateways in one Envoy, one after another: to start an Envoy takes longer than a scenario. A context manager.

    Each is a listener and a cluster that Envoy learns from files (xDS), so all share the module's VM.
    """

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="gateways-")
        self._config = EnvoyConfig({})
        self._count = 0
        self._envoy = Envoy(CONFIGURATION, edit=self._edit)

    def __enter__(self) -> Self:
        self._envoy.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._envoy.stop()
        self._directory.cleanup()

    @contextmanager
    def before(self, upstream: str) -> Iterator[Gateway]:
        """A gateway in front of the MCP server at `upstream`; the one before it is gone.

        Raises:
            StartError: Envoy does not accept it.
            httpx2.HTTPError: The server does not answer.
        """
        self._count += 1
        name, port, place = f"scenario_{self._count}", free_port(), urlsplit(upstream)
        url = f"http://127.0.0.1:{port}{place.path}"
        config = EnvoyConfig(self._config.document)
        config.replace_settings(PLUGIN, settings(url, learn(upstream)))
        config.copy_cluster("mcp_servers", name, [Endpoint(place.port or 80)])
        cluster = config.cluster(name)
        cluster.pop("health_checks", None)  # Envoy would wait for the first
        [host] = config.connection_manager()["route_config"]["virtual_hosts"]
        host["routes"] = [{"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "0s"}}]
        [listener] = config.document["static_resources"]["listeners"]
        listener["name"] = name
        listener["address"]["socket_address"]["port_value"] = port

        self._publish("cds", [cluster])
        self._envoy.await_stat(f"cluster.{name}.membership_total", bool, ACCEPT_SECONDS)
        self._publish("lds", [listener])
        self._await(port)
        yield Gateway(url, self._envoy, _outcomes(self._envoy))

    def _edit(self, config: EnvoyConfig) -> None:
        config.set_module(PLUGIN, MODULE)
        # The listener that is there from the start only keeps the module loaded.
        unused = {"authorization_servers": ["http://localhost"]}
        config.replace_settings(PLUGIN, settings("http://localhost/mcp", unused))
        for entry in config.connection_manager()["access_log"]:
            entry["typed_config"]["log_format"]["json_format"]["port"] = "%DOWNSTREAM_LOCAL_PORT%"
        config.document["node"] = {"id": "conformance", "cluster": "conformance"}
        config.document["dynamic_resources"] = {
            f"{kind}_config": {"resource_api_version": "V3", "path_config_source": {"path": str(self._file(kind))}}
            for kind in XDS
        }
        for kind in XDS:
            self._publish(kind, [])
        self._config = config

    def _file(self, kind: str) -> Path:
        return Path(self._directory.name) / f"{kind}.json"

    def _publish(self, kind: str, resources: Sequence[Mapping[str, Any]]) -> None:
        """Tells Envoy all there is of a kind. It watches for a file that takes the place of another."""
        typed = [{"@type": XDS[kind], **resource} for resource in resources]
        written = self._file(f"{kind}-next")
        written.write_text(json.dumps({"version_info": str(self._count), "resources": typed}))
        written.replace(self._file(kind))

    def _await(self, port: int) -> None:
        deadline = time.monotonic() + ACCEPT_SECONDS
        while not accepts(port):
            if time.monotonic() > deadline:
                said = self._envoy.log_text()[-2000:]
                raise StartError(f"no listener after {ACCEPT_SECONDS:g} s; Envoy says:\n{said}")
            time.sleep(POLL_SECONDS)


def _outcomes(envoy: Envoy) -> dict[str, int]:
    """The module's counts of requests by outcome, of all gateways so far."""
    return envoy.stats(r"\.outcome\.")


def learn(upstream: str) -> dict[str, Any]:
    """What a server says of itself to OAuth clients (RFC 9728).

    One of 2025-03-26 says nothing: it is its own authorization server, at its origin.
    """
    place = urlsplit(upstream)
    origin = f"{place.scheme}://{place.netloc}"
    with httpx2.Client(timeout=LEARN_SECONDS) as client:
        refused = client.post(upstream, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}})
        named = METADATA_PARAMETER.findall(refused.headers.get("www-authenticate", ""))
        for address in named or [f"{origin}{WELL_KNOWN}{place.path}", f"{origin}{WELL_KNOWN}"]:
            answer = client.get(address)
            if answer.is_success:
                return answer.json()
    return {"authorization_servers": [origin]}


def settings(url: str, described: Mapping[str, Any]) -> dict[str, Any]:
    """The module's configuration at `url`, for a server that describes itself so."""
    servers = described["authorization_servers"]
    # The suite's tokens are opaque, so no key fits: what the module finds is reported and refuses nobody.
    key = jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
    issuers = [
        {"issuer": server, "audiences": [url], "jwks": {"keys": [key | {"kid": "none", "alg": "ES256"}]}}
        for server in servers
    ]
    return {
        "admission": {"paths": [urlsplit(url).path]},
        "auth": {
            "shadow": True,
            "issuers": issuers,
            "metadata": {
                "resource": url,
                "authorization_servers": servers,
                "scopes_supported": described.get("scopes_supported", []),
            },
            "upstream_credentials": "keep",
            "export_key": EXPORT_KEY,
        },
    }


def judge(
    url: str, seen: Seen, log: Sequence[Mapping[str, Any]], counts: Mapping[str, int]
) -> list[dict[str, str]]:
    """Whether the gateway at `url` alone led the client, and judged what the server let in or turned away.

    Known from what the client saw, the access log, and the module's counts of outcomes.
    """
    place = urlsplit(url)
    metadata = f"{WELL_KNOWN}{place.path}"
    served = [entry for entry in log if entry["http"] == f"GET {metadata}" and entry["status"] == 200]
    named = [address for challenge in seen.challenges for address in METADATA_PARAMETER.findall(challenge)]
    shadowed = [name for name in counts if name.endswith(".outcome.shadowed.error_type.unauthorized")]
    findings: dict[str, tuple[str, bool | None]] = {
        "GatewayMetadata": (
            "The client reads the metadata of the gateway, which no upstream was asked for",
            bool(served) and all(entry["upstream"] is None for entry in served),
        ),
        "GatewayChallenge": (
            "Each challenge names the metadata of the gateway",
            all(address == f"{place.scheme}://{place.netloc}{metadata}" for address in named) if named else None,
        ),
        "GatewayResource": (
            "Each authorization request is for the URL of the gateway",
            all(resource == url for resource in seen.resources) if seen.resources else None,
        ),
        "GatewayShadow": (
            "The gateway finds each request unauthorized, and lets it pass",
            bool(counts) and len(shadowed) == len(counts),
        ),
    }
    return [
        {"name": name, "description": description, "status": STATUS[holds]}
        for name, (description, holds) in findings.items()
    ]
