"""The loop that sends at a steady rate, at a server that takes its time."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench import latency
from bench.load import LoadError, Post

POST = Post("/mcp", {"X-Number": "1"}, b"{}")
NUMBER, RATE = 60, 200.0


class Server(ThreadingHTTPServer):
    """Answers the request of each number after so many seconds, and remembers when each came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.came: list[float] = []
        self.takes: dict[int, float] = {}
        self.takes_each = 0.0
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/mcp"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.came.append(time.monotonic())
        time.sleep(self.server.takes.get(len(self.server.came), self.server.takes_each))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_all_are_sent_at_the_rate(server):
    took = latency.steadily(server.url, POST, RATE, NUMBER)
    assert len(took) == len(server.came) == NUMBER
    assert all(value > 0 for value in took)
    # Never faster; how much slower is the machine's affair.
    assert server.came[-1] - server.came[0] > (NUMBER - 5) / RATE


def test_a_slow_answer_holds_nobody_up(server):
    server.takes = {10: 2.0}
    took = latency.steadily(server.url, POST, RATE, NUMBER)
    assert sum(value >= 2e6 for value in took) == 1
    assert took[-1] >= 2e6, "it is answered when all others are"


def test_who_must_wait_for_a_connection_waits_from_its_own_time(server, monkeypatch):
    monkeypatch.setattr(latency, "CONNECTIONS_AT_MOST", 1)
    server.takes_each = 0.02
    took = latency.steadily(server.url, POST, RATE, 20)
    # One takes 20 ms and the next is due after 5, so each waits longer than the one before.
    assert took == sorted(took)
    assert took[-1] > 20 * (0.02 - 1 / RATE) * 1e6


def test_a_refused_request_is_an_error(server):
    server.status = 503
    with pytest.raises(LoadError, match="503"):
        latency.steadily(server.url, POST, RATE, NUMBER)


def test_a_server_that_does_not_answer_is_an_error(server, monkeypatch):
    monkeypatch.setattr(latency, "PATIENCE_SECONDS", 0.2)
    server.takes = {3: 1.0}
    with pytest.raises(LoadError, match="4 of 5 requests"):
        latency.steadily(server.url, POST, RATE, 5)


def test_percentiles_are_of_the_values():
    assert latency.percentiles([*range(101)]) == (50, 99)
