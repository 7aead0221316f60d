"""A real authorization server changes its signing keys while clients call: none of their calls fails."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from e2e.authorization_server import AuthorizationServer
from e2e.envoy import Envoy
from e2e.messages import call, call_headers
from e2e.process import free_port
from e2e.protected import Issuer, protected, resource
from e2e.raw import post
from e2e.servers import McpServer

PACKAGINGS = ["gateway"]  # slow

WORKERS = 12
CALLS = 10
USE_SECONDS = 10.0
COOLDOWN_SECONDS = 1.1
"""Least time between two fetches, as configured, and a little."""
ALGORITHMS = ["ES256", "EdDSA", "RS256"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthorizationServer]:
    """With the URL of a gateway that is yet to start."""
    with AuthorizationServer(tmp_path_factory.mktemp("rotation"), resource(free_port())) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(packaging: str, server: AuthorizationServer, python_server: McpServer) -> Iterator[Envoy]:
    port = int(server.resource.rsplit(":", 1)[1].removesuffix("/mcp"))
    issuer = Issuer(server.issuer, server.port, {"cooldown": "1s"})
    with protected(port, python_server.port, [issuer], concurrency=2) as envoy:
        yield envoy


def status(gateway: Envoy, token: str) -> int:
    """Of one call."""
    headers = [*call_headers("add"), ("authorization", f"Bearer {token}")]
    return post(gateway.port, call("add", {"a": 1, "b": 2}), headers).status


def test_while_the_old_keys_stay_published_no_call_fails(gateway: Envoy, server: AuthorizationServer) -> None:
    tokens = [server.token()]
    used: list[str] = []
    done = threading.Event()

    def load(_: int) -> Counter[int]:
        statuses = Counter[int]()
        while not done.is_set():
            token = tokens[-1]
            statuses[status(gateway, token)] += 1
            used.append(token)
        return statuses

    def await_use() -> None:
        """Until the newest token is in everybody's hands."""
        deadline = time.monotonic() + USE_SECONDS
        while used.count(tokens[-1]) < WORKERS * CALLS and time.monotonic() < deadline:
            time.sleep(0.02)

    with ThreadPoolExecutor(WORKERS) as pool:
        loads = pool.map(load, range(WORKERS))
        try:
            for algorithm in ALGORITHMS:
                await_use()
                time.sleep(COOLDOWN_SECONDS)
                server.change(keys="added", algorithm=algorithm)
                tokens.append(server.token())
            await_use()
        finally:
            done.set()
        statuses = sum(loads, Counter[int]())
    assert set(statuses) == {200}, statuses
    assert min(Counter(used)[token] for token in tokens) >= WORKERS * CALLS
    assert {status(gateway, token) for token in tokens} == {200}, "all are published still"


def test_a_new_key_alone_is_fetched_before_any_call_fails(
    gateway: Envoy, server: AuthorizationServer
) -> None:
    """All workers come at once with a key that the gateway has yet to learn of."""

    def calls(token: str) -> Counter[int]:
        return Counter(status(gateway, token) for _ in range(CALLS))

    old = server.token()
    with ThreadPoolExecutor(WORKERS) as pool:
        for algorithm in ALGORITHMS:
            time.sleep(COOLDOWN_SECONDS)
            server.change(keys="replaced", algorithm=algorithm)
            token = server.token()
            statuses = sum(pool.map(calls, [token] * WORKERS), Counter[int]())
            assert statuses == {200: WORKERS * CALLS}
            assert status(gateway, old) == 401, "its key is gone"
            old = token
