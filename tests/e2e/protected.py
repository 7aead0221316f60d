"""The shipped configuration of the auth module, pointed at servers of this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, Endpoint, EnvoyConfig

AUTH_YAML = REPOSITORY / "envoy" / "auth.yaml"
PLUGIN = "mcp_auth"
ISSUER_CLUSTER = "issuer"
INTROSPECTION_CLUSTER = "introspection"


@dataclass(frozen=True)
class Issuer:
    """Whose tokens are good, and the port where its keys are."""

    url: str
    port: int
    jwks: Mapping[str, str] = field(default_factory=dict)
    """Settings other than the service."""
    introspection: Mapping[str, str] | None = None
    """The same, if it is asked about tokens that are no JWT."""


def resource(port: int) -> str:
    """The URL of the endpoint of a gateway on that port, as clients are given it."""
    return f"http://127.0.0.1:{port}/mcp"


def cluster_of(issuer: int) -> str:
    """The name of the cluster of the issuer that is so many places behind the first."""
    return f"{ISSUER_CLUSTER}_{issuer}" if issuer else ISSUER_CLUSTER


def protected(
    port: int,
    server: int,
    issuers: Sequence[Issuer],
    *,
    authority: Path | None = None,
    concurrency: int = 1,
) -> Envoy:
    """A gateway on `port` in front of the MCP server on another.

    `authority` is the file of whom to trust for the issuers' certificates; without one they speak plain HTTP.
    """

    def edit(config: EnvoyConfig) -> None:
        config.listen_on(port)
        tls = config.cluster(ISSUER_CLUSTER).pop("transport_socket")
        if authority is not None:
            validation = tls["typed_config"]["common_tls_context"]["validation_context"]
            validation["trusted_ca"]["filename"] = str(authority)
            config.cluster(ISSUER_CLUSTER)["transport_socket"] = tls
        for place, issuer in enumerate(issuers):
            endpoints = [Endpoint(issuer.port)]
            if place:
                config.copy_cluster(ISSUER_CLUSTER, cluster_of(place), endpoints)
            else:
                config.set_upstreams(ISSUER_CLUSTER, endpoints)
        [shipped] = config.settings(PLUGIN)["auth"]["issuers"]
        # One machine, one clock.
        common: dict[str, Any] = {**shipped, "audiences": [resource(port)], "clock_skew": "0s"}
        entries: list[dict[str, Any]] = [
            {**common, "issuer": issuer.url, "jwks": {"service": cluster_of(place), **issuer.jwks}}
            for place, issuer in enumerate(issuers)
        ]
        for place, issuer in enumerate(issuers):
            if issuer.introspection is not None:
                entries[place]["introspection"] = {"service": INTROSPECTION_CLUSTER, **issuer.introspection}
                config.copy_cluster(ISSUER_CLUSTER, INTROSPECTION_CLUSTER, [Endpoint(issuer.port)])
        metadata = {"resource": resource(port), "authorization_servers": [issuer.url for issuer in issuers]}
        config.change_settings(PLUGIN, {"auth": {"issuers": entries, "metadata": metadata}})

    return Envoy(AUTH_YAML, upstreams={"mcp_servers": [server]}, edit=edit, concurrency=concurrency)
