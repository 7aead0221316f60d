"""The shipped configuration of the auth module, pointed at servers of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, Endpoint, EnvoyConfig

AUTH_YAML = REPOSITORY / "envoy" / "auth.yaml"
PLUGIN = "mcp_auth"
ISSUER_CLUSTER = "issuer"


def resource(port: int) -> str:
    """The URL of the endpoint of a gateway on that port, as clients are given it."""
    return f"http://127.0.0.1:{port}/mcp"


def protected(
    port: int,
    issuer: str,
    servers: Mapping[str, int],
    entry: Mapping[str, Any] | None = None,
    *,
    authority: Path | None = None,
    concurrency: int = 1,
) -> Envoy:
    """A gateway on `port` for the tokens of `issuer`; `servers` are the ports behind its two clusters.

    `entry` changes the issuer's entry in the settings. `authority` is the file of whom to trust for the issuer's certificate; without one it speaks plain HTTP.
    """

    def edit(config: EnvoyConfig) -> None:
        config.listen_on(port)
        tls = config.cluster(ISSUER_CLUSTER).pop("transport_socket")
        if authority is not None:
            validation = tls["typed_config"]["common_tls_context"]["validation_context"]
            validation["trusted_ca"]["filename"] = str(authority)
            config.cluster(ISSUER_CLUSTER)["transport_socket"] = tls
        [shipped] = config.settings(PLUGIN)["auth"]["issuers"]
        issuers = [{**shipped, "issuer": issuer, "audiences": [resource(port)], **(entry or {})}]
        metadata = {"resource": resource(port), "authorization_servers": [issuer]}
        config.change_settings(PLUGIN, {"auth": {"issuers": issuers, "metadata": metadata}})

    upstreams = {cluster: [Endpoint(server)] for cluster, server in servers.items()}
    return Envoy(AUTH_YAML, upstreams=upstreams, edit=edit, concurrency=concurrency)
