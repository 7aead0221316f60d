"""The health checks of envoy/*.yaml, against real MCP servers of both eras and against what only looks like one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self

import pytest

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, Endpoint, EnvoyConfig
from e2e.messages import modern, modern_headers
from e2e.raw import post
from e2e.servers import McpServer, dual_era, everything, stateless
from e2e.test_affinity import SETTLE_SECONDS, await_healthy, check_often
from e2e.test_gateway import bearer, trust_callers

PACKAGINGS = ["alone"]  # it is Envoy's checks that are tested

GATEWAY_YAML = REPOSITORY / "envoy" / "gateway.yaml"
FAILURES = 5
"""So many checks that fail in a row make a server unhealthy here."""


class Impostor:
    """Answers whatever it is asked with one status and body; a context manager."""

    def __init__(self, status: int, body: bytes) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def is_healthy(configuration: Path, port: int) -> bool:
    """Whether Envoy, as configured, ever finds the server there healthy. It may miss the first answer, since it is
    still compiling modules."""
    with Envoy(configuration, upstreams={"mcp_servers": [port]}, edit=check_often) as envoy:
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            checks = envoy.stats(r"^cluster\.mcp_servers\.health_check\.(success|failure)$")
            success, failure = (checks[f"cluster.mcp_servers.health_check.{how}"] for how in ("success", "failure"))
            if success or failure >= FAILURES:
                return success > 0
            time.sleep(0.02)
    raise TimeoutError(f"only {failure} checks in {SETTLE_SECONDS:g} s")


MODERN: list[Callable[[Path], McpServer]] = [dual_era, stateless]
ALL: list[Callable[[Path], McpServer]] = [*MODERN, everything]
PAGE = b"<html>It works!</html>"


@pytest.mark.parametrize("server", MODERN)
def test_a_modern_server_is_asked_what_it_can_do(server: Any, tmp_path: Path) -> None:
    with server(tmp_path) as running:
        assert is_healthy(GATEWAY_YAML, running.port)


@pytest.mark.parametrize("server", ALL)
def test_a_server_of_any_version_passes_the_check_that_begins_nothing(
    server: Any, session_yaml: Path, tmp_path: Path
) -> None:
    with server(tmp_path) as running:
        assert is_healthy(session_yaml, running.port)


def test_a_legacy_server_is_no_modern_one(tmp_path: Path) -> None:
    with everything(tmp_path) as running:
        assert not is_healthy(GATEWAY_YAML, running.port)


IMPOSTORS: dict[str, tuple[str, int, bytes]] = {
    "a page": ("gateway.yaml", 200, PAGE),
    "an error": ("gateway.yaml", 200, b'{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no"}}'),
    "overloaded": ("gateway.yaml", 503, b'{"jsonrpc":"2.0","id":1,"result":{}}'),
    "a page, asked by GET": ("session.yaml", 200, PAGE),
    "no such path, asked by GET": ("session.yaml", 404, b""),
    "overloaded, asked by GET": ("session.yaml", 503, b""),
}


@pytest.mark.parametrize("case", IMPOSTORS)
def test_what_listens_and_serves_no_mcp_is_unhealthy(case: str) -> None:
    configuration, status, body = IMPOSTORS[case]
    with Impostor(status, body) as impostor:
        assert not is_healthy(REPOSITORY / "envoy" / configuration, impostor.port)


def test_the_check_says_what_its_comment_says() -> None:
    [check] = EnvoyConfig.load(GATEWAY_YAML).cluster("mcp_servers")["health_checks"]
    http = check["http_health_check"]
    sent = bytes.fromhex(http["send"]["text"]).decode()
    assert json.loads(sent)["method"] == "server/discover"
    comment = [line.strip(" #\n") for line in GATEWAY_YAML.read_text().splitlines() if line.strip().startswith("#")]
    assert sent in "".join(comment)
    assert [bytes.fromhex(part["text"]) for part in http["receive"]] == [b'"result"']


def test_a_primary_that_serves_no_mcp_gets_no_traffic(tmp_path: Path) -> None:
    def edit(config: EnvoyConfig) -> None:
        trust_callers(config)
        check_often(config)

    with Impostor(200, PAGE) as primary, dual_era(tmp_path) as backup:
        ports = {"mcp_servers": [Endpoint(primary.port), Endpoint(backup.port, priority=1)]}
        with Envoy(GATEWAY_YAML, upstreams=ports, edit=edit) as envoy:
            await_healthy(envoy, 1)
            listed = post(
                envoy.port, modern("tools/list"), [*modern_headers("tools/list"), bearer("acme")]
            )
            assert listed.status == 200
            assert listed.json()["result"]["tools"]
