"""A scripted upstream on a raw socket: it records the bytes that reach it and writes the bytes it is told to.

It is the oracle of the transparency tests: unlike a real server it can split an event anywhere, and it knows
to the byte what it sent and when.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, Self

READ_SECONDS = 20.0
LARGEST_READ = 1 << 20
HEALTH_CHECK = b"Envoy/HC"
"""What Envoy calls itself when it checks a server's health."""


@dataclass
class Request:
    """A request as it arrived; the transfer coding of the body is undone."""

    line: str
    headers: list[tuple[str, bytes]]
    body: bytes

    def header(self, name: str) -> bytes | None:
        """The value of the only header of that name; fails if there are several."""
        values = [value for key, value in self.headers if key == name.lower()]
        if len(values) > 1:
            raise AssertionError(f"{len(values)} copies of {name}: {values}")
        return values[0] if values else None


@dataclass
class Exchange:
    """One request, and the connection to answer it on."""

    request: Request
    _connection: socket.socket
    sent_at: list[float] = field(default_factory=list)
    """When each `send` was flushed, by `time.monotonic`."""

    def send(self, data: bytes) -> None:
        """Writes the bytes as one segment, at once."""
        self._connection.sendall(data)
        self.sent_at.append(time.monotonic())

    def send_chunk(self, data: bytes) -> None:
        """Writes the bytes as one chunk of the chunked transfer coding."""
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def end_chunks(self) -> None:
        self.send(b"0\r\n\r\n")

    def send_json(self, body: bytes, *headers: bytes) -> None:
        """A complete 200 answer with a JSON body."""
        head = [
            b"HTTP/1.1 200 OK",
            b"content-type: application/json",
            b"content-length: %d" % len(body),
            *headers,
        ]
        self.send(b"\r\n".join(head) + b"\r\n\r\n" + body)

    def start_events(self, *headers: bytes) -> None:
        """The head of a 200 answer whose body is an event stream in chunks."""
        head = [
            b"HTTP/1.1 200 OK",
            b"content-type: text/event-stream",
            b"transfer-encoding: chunked",
            *headers,
        ]
        self.send(b"\r\n".join(head) + b"\r\n\r\n")

    def peer_closes_within(self, seconds: float) -> bool:
        """Whether the other side closes the connection in that time."""
        self._connection.settimeout(seconds)
        try:
            return self._connection.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


class ScriptedUpstream:
    """Serves every request with `answer`, each connection in a thread of its own; a context manager.

    Envoy's health checks are answered as a healthy server would, and are not among the requests.
    """

    def __init__(self, answer: Callable[[Exchange], None] | None = None, port: int = 0) -> None:
        self.answer = answer or _answer_empty
        # Enough for every client of a test at once: the kernel drops what it cannot queue, and Envoy gives up.
        self._listener = socket.create_server(("127.0.0.1", port), backlog=2048)
        self._arrived = threading.Condition()
        self._exchanges: list[Exchange] = []
        self._failures: list[BaseException] = []

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, failure: object, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if failure is None and self._failures:
            raise self._failures[0]

    def requests(self) -> list[Request]:
        """The complete requests so far."""
        with self._arrived:
            return [exchange.request for exchange in self._exchanges]

    def exchange(self, index: int = 0, seconds: float = 5.0) -> Exchange:
        """The exchange of that index, once its request is complete."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._exchanges) > index, seconds):
                raise TimeoutError(f"request {index} did not reach the upstream in {seconds:g} s")
            return self._exchanges[index]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(READ_SECONDS)
        with connection, connection.makefile("rb") as stream:
            try:
                while (request := _read_request(stream)) is not None:
                    exchange = Exchange(request, connection)
                    if request.header("user-agent") == HEALTH_CHECK:
                        _answer_check(exchange)
                        continue
                    with self._arrived:
                        self._exchanges.append(exchange)
                        self._arrived.notify_all()
                    self.answer(exchange)
            except (ConnectionError, TimeoutError):
                pass  # the gateway hung up, which tests observe on their own side
            except BaseException as failure:
                self._failures.append(failure)


def _answer_empty(exchange: Exchange) -> None:
    exchange.send_json(b"{}")


def _answer_check(exchange: Exchange) -> None:
    if exchange.request.line.startswith("GET "):
        exchange.send(b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n")
    else:
        exchange.send_json(b'{"jsonrpc":"2.0","id":1,"result":{}}')


def _read_request(stream: BinaryIO) -> Request | None:
    line = stream.readline(LARGEST_READ)
    if not line:
        return None
    headers: list[tuple[str, bytes]] = []
    while (text := stream.readline(LARGEST_READ).rstrip(b"\r\n")) != b"":
        name, _, value = text.partition(b":")
        headers.append((name.decode("latin-1").lower(), value.strip()))
    lengths = [int(value) for name, value in headers if name == "content-length"]
    chunked = ("transfer-encoding", b"chunked") in headers
    body = b"".join(_chunks(stream)) if chunked else stream.read(lengths[0] if lengths else 0)
    return Request(line.decode("latin-1").rstrip("\r\n"), headers, body)


def _chunks(stream: BinaryIO) -> list[bytes]:
    chunks: list[bytes] = []
    while size := int(stream.readline(LARGEST_READ), 16):
        chunks.append(stream.read(size))
        stream.readline(LARGEST_READ)
    stream.readline(LARGEST_READ)
    return chunks
