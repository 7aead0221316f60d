"""The loop that sends requests of which no two are alike, at a real HTTP server."""

import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench import load
from bench.load import Distinct, LoadError, complete, drive_each, request

BODY = b'{"jsonrpc":"2.0"}'


class Server(ThreadingHTTPServer):
    """Counts the numbers it is sent; answers what it is told to."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # A client that gives up is what some tests are about.

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: Counter[str] = Counter()
        self.connections: set[object] = set()
        self.refuse = self.hang_up = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/mcp"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        assert self.path == "/mcp"
        assert self.rfile.read(int(self.headers["content-length"])) == BODY
        number = self.headers["x-number"]
        self.server.seen[number] += 1
        self.server.connections.add(self.connection)
        if number == self.server.hang_up:
            self.close_connection = True
            return
        self.send_response(401 if number == self.server.refuse else 200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.flush()
        self.wfile.write(b"hello")

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


def numbered(server: Server, count: int) -> list[bytes]:
    return [request(server.url, {"x-number": str(number)}, BODY) for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, load.CONNECTIONS, 100])
def test_each_request_is_sent_once(server, count):
    drive_each(server.url, numbered(server, count))
    assert server.seen == {str(number): 1 for number in range(count)}
    assert len(server.connections) == min(count, load.CONNECTIONS)


def test_a_refused_request_is_an_error(server):
    server.refuse = "50"
    with pytest.raises(LoadError, match="HTTP/1.1 401"):
        drive_each(server.url, numbered(server, 100))


def test_a_closed_connection_is_an_error(server):
    server.hang_up = "50"
    with pytest.raises(LoadError, match="closed after"):
        drive_each(server.url, numbered(server, 100))


def test_a_server_that_does_not_answer_is_an_error(server, monkeypatch):
    monkeypatch.setattr(load, "LIMIT_SECONDS", 0.1)
    with pytest.raises(LoadError, match="0 of 1 requests"):
        drive_each(server.url, [numbered(server, 1)[0][:-1]])


def test_a_round_is_the_same_for_everyone_and_new_to_all(server):
    numbers = iter(range(1000))
    distinct = Distinct(BODY, 20, lambda: {"x-number": str(next(numbers))})
    for turn in (-1, 0, 1):
        for _ in range(3):
            distinct.drive(server.url, turn)
    assert server.seen == {str(number): 3 for number in range(60)}


ANSWER = b"HTTP/1.1 200 OK\r\ndate: today\r\nContent-Length: 5\r\n\r\nhello"


def test_an_answer_is_complete_with_its_last_byte():
    assert [complete(ANSWER[:end]) for end in range(len(ANSWER))] == [False] * len(ANSWER)
    assert complete(ANSWER)
    assert complete(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n", "401"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "does not say its length"),
        (b"HTTP/1.1 200 OK\r\nx-content-length: 5\r\n\r\nhello", "does not say its length"),
    ],
)
def test_what_cannot_be_counted_is_an_error(answer, message):
    with pytest.raises(LoadError, match=message):
        complete(answer)
