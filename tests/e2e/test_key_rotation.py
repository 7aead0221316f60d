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
from e2e.raw import Connection
from e2e.servers import McpServer

WORKERS = 12
CALLS = 20
COOLDOWN_SECONDS = 1.1
"""Least time between two fetches, as configured, and a little."""
ALGORITHMS = ["ES256", "EdDSA", "RS256"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthorizationServer]:
    """With the URL of a gateway that is yet to start."""
    with AuthorizationServer(tmp_path_factory.mktemp("rotation"), resource(free_port())) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(server: AuthorizationServer, python_server: McpServer) -> Iterator[Envoy]:
    port = int(server.resource.rsplit(":", 1)[1].removesuffix("/mcp"))
    issuer = Issuer(server.issuer, server.port, {"cooldown": "1s"})
    with protected(port, python_server.port, [issuer], concurrency=2) as envoy:
        yield envoy


class Worker:
    """A client that makes one call after the other on one connection."""

    def __init__(self, gateway: Envoy) -> None:
        self._connection = Connection(gateway.port)

    def call(self, token: str) -> int:
        """The status."""
        headers = [*call_headers("add"), ("authorization", f"Bearer {token}")]
        self._connection.post(call("add", {"a": 1, "b": 2}), headers)
        return self._connection.answer().status


def test_while_the_old_keys_stay_published_no_call_fails(gateway: Envoy, server: AuthorizationServer) -> None:
    tokens = [server.token()]
    done = threading.Event()

    def load(_: int) -> Counter[int]:
        worker, statuses = Worker(gateway), Counter[int]()
        while not done.is_set():
            statuses[worker.call(tokens[-1])] += 1
        return statuses

    with ThreadPoolExecutor(WORKERS) as pool:
        loads = pool.map(load, range(WORKERS))
        for algorithm in ALGORITHMS:
            time.sleep(COOLDOWN_SECONDS)
            server.change(keys="added", algorithm=algorithm)
            tokens.append(server.token())
        time.sleep(0.3)
        done.set()
    statuses = sum(loads, Counter[int]())
    assert set(statuses) == {200}, statuses
    assert statuses[200] > WORKERS * CALLS
    assert [Worker(gateway).call(token) for token in tokens] == [200] * len(tokens), "all are published still"


def test_a_new_key_alone_is_fetched_before_any_call_fails(
    gateway: Envoy, server: AuthorizationServer
) -> None:
    """All workers come at once with a key that the gateway has yet to learn of."""
    with ThreadPoolExecutor(WORKERS) as pool:
        old = server.token()
        for algorithm in ALGORITHMS:
            time.sleep(COOLDOWN_SECONDS)
            server.change(keys="replaced", algorithm=algorithm)
            token = server.token()
            rounds = pool.map(lambda _: calls(gateway, token), range(WORKERS))
            statuses = sum(rounds, Counter[int]())
            assert statuses == {200: WORKERS * CALLS}
            assert Worker(gateway).call(old) == 401, "its key is gone"
            old = token


def calls(gateway: Envoy, token: str) -> Counter[int]:
    worker = Worker(gateway)
    return Counter(worker.call(token) for _ in range(CALLS))
