"""The whole: agents sign in at an authorization server and call through every filter, a primary and a backup.

envoy/gateway.yaml with no part left out or replaced: what differs is where the parts are, one limit more, which counts
calls exactly, that servers rest for seconds only, and that every span is exported, and every metric shown, at once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.agent import Agent
from e2e.authorization_server import AuthorizationServer
from e2e.collector import Collector, Span, export_at_once
from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, Endpoint, EnvoyConfig
from e2e.messages import call, call_headers
from e2e.process import lasting_port
from e2e.protected import resource
from e2e.quota import FOREVER, words
from e2e.raw import post
from e2e.replica import Ledger, Replica

GATEWAY_YAML = REPOSITORY / "envoy" / "gateway.yaml"
PLUGIN = "mcp_gateway"
WAIT_SECONDS = 60.0

CALLS = 1000
CALLS_LIMIT = {
    "name": "calls",
    "key": ["principal"],
    "match": {"methods": ["tools/call"]},
    "unit": "requests",
    "limit": CALLS,
    "window": FOREVER,
}


def await_true(condition: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.02)


@dataclass(frozen=True)
class Picture:
    """All parts, running."""

    authorization: AuthorizationServer
    gateway: Envoy
    primary: Replica
    backup: Replica
    ledger: Ledger
    collector: Collector

    def agent(self, user: str, mode: str = "auto") -> Agent:
        return Agent(self.gateway.url, user, mode)

    def role(self, upstream: str | None) -> str | None:
        """Which server an entry of the access log is about."""
        return {self.primary.address: "primary", self.backup.address: "backup"}.get(upstream or "")

    def attempts(self, method: str, count: int, since: int) -> list[Span]:
        """The spans of attempts at requests of that method after the first `since` spans, once there are so many,
        in the order in which they began."""
        spans = self.collector.await_spans(count, since, lambda span: span.name == method)
        return sorted(spans, key=lambda span: span.start)

    def serving(self, replica: Replica) -> bool:
        """Whether Envoy believes in that server."""
        return in_rotation(self.gateway, replica.port)

    def heal(self) -> None:
        """Returns once both servers live, Envoy believes it, and the primary has answered."""
        for replica in (self.primary, self.backup):
            if not replica.alive:
                replica.start()
        await_true(lambda: self.serving(self.backup), "the backup serves")
        await_true(
            lambda: self.serving(self.primary) and self.asked() == self.primary.name, "the primary serves"
        )

    def asked(self) -> str:
        """The name of the server that a caller of no other interest is sent to."""
        tool = "which_replica"
        bearer = "authorization", f"Bearer {self.authorization.token()}"
        answer = post(self.gateway.port, call(tool), [*call_headers(tool), bearer])
        return words(answer) if answer.status == 200 else f"status {answer.status}"


def settled(gateway: Envoy, limit: str) -> bool:
    """Whether what a limit of requests set aside for calls was all charged or given back."""
    units = {
        stage: metric(gateway, "mcp_quota_units", limit=limit, stage=stage)
        for stage in ("reserved", "settled", "refunded")
    }
    return units["reserved"] == units["settled"] + units["refunded"] > 0


def in_rotation(gateway: Envoy, port: int) -> bool:
    """Whether Envoy sends requests to the MCP server on that port: neither checks nor its answers speak against it."""
    clusters = json.loads(gateway.admin("/clusters?format=json"))["cluster_statuses"]
    [cluster] = [cluster for cluster in clusters if cluster["name"] == "mcp_servers"]
    [host] = [
        host for host in cluster["host_statuses"] if host["address"]["socket_address"]["port_value"] == port
    ]
    return not any(name.startswith("failed_") for name in host["health_status"])


def metric(gateway: Envoy, name: str, **labels: str) -> int:
    """The sum of a metric's samples with those labels."""
    return sum(value for found, value in gateway.samples(name) if labels.items() <= found.items())


def parts(port: int, authorization: AuthorizationServer) -> Callable[[EnvoyConfig], None]:
    """Writes into gateway.yaml where it listens and who issues tokens for it."""

    def edit(config: EnvoyConfig) -> None:
        export_at_once(config)
        config.cluster("mcp_servers")["outlier_detection"] |= {
            "base_ejection_time": "1s",
            "max_ejection_time": "3s",
        }
        config.document["stats_flush_interval"] = "0.5s"
        config.listen_on(port)
        config.set_upstreams("issuer", [Endpoint(authorization.port)])
        del config.cluster("issuer")["transport_socket"]  # one machine, plain HTTP
        settings = config.settings(PLUGIN)
        [issuer] = settings["auth"]["issuers"]
        issuer |= {"issuer": authorization.issuer, "audiences": [resource(port)]}
        metadata = {"resource": resource(port), "authorization_servers": [authorization.issuer]}
        changes: dict[str, Any] = {
            "auth": {"issuers": [issuer], "metadata": metadata},
            "quota": {"limits": [*settings["quota"]["limits"], CALLS_LIMIT]},
        }
        config.change_settings(PLUGIN, changes)

    return edit


@contextmanager
def picture(directory: Path, change: Callable[[EnvoyConfig], None] | None = None) -> Iterator[Picture]:
    """Starts all parts and stops them; `change` edits the gateway's configuration further."""
    port = lasting_port()
    with ExitStack() as stack:
        authorization = stack.enter_context(AuthorizationServer(directory, resource(port)))
        primary = stack.enter_context(Replica("primary", directory))
        backup = stack.enter_context(Replica("backup", directory))
        collector = stack.enter_context(Collector())
        place = parts(port, authorization)

        def edit(config: EnvoyConfig) -> None:
            place(config)
            if change is not None:
                change(config)

        upstreams = {
            "mcp_servers": [Endpoint(primary.port), Endpoint(backup.port, priority=1)],
            "otel_collector": [Endpoint(collector.port)],
        }
        gateway = stack.enter_context(Envoy(GATEWAY_YAML, upstreams=upstreams, edit=edit, concurrency=2))
        scene = Picture(authorization, gateway, primary, backup, Ledger(directory), collector)
        # Envoy may have missed the answers to its first checks, since it was still compiling modules.
        await_true(lambda: scene.serving(primary) and scene.serving(backup), "both servers serve")
        yield scene
