"""A raw HTTP/1.1 client: requests are bytes, so that what no HTTP library would send can be sent."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse, parse_headers
from types import TracebackType
from typing import Any, Self

ANSWER_SECONDS = 15.0

Header = tuple[str | bytes, str | bytes]
TextHeader = tuple[str, str]


@dataclass(frozen=True)
class Answer:
    """A complete response."""

    status: int
    headers: HTTPMessage
    body: bytes

    def json(self) -> Any:
        """The body as JSON; of an event stream, the last message on it."""
        if self.headers.get_content_type() == "text/event-stream":
            data = [line[5:].strip() for line in self.body.splitlines() if line.startswith(b"data:")]
            return json.loads([text for text in data if text][-1])
        return json.loads(self.body)

    @property
    def error_code(self) -> int:
        """The JSON-RPC error code."""
        return int(self.json()["error"]["code"])


class Connection:
    """One client connection, by TLS if told how; a context manager."""

    def __init__(
        self,
        port: int,
        seconds: float = ANSWER_SECONDS,
        tls: ssl.SSLContext | None = None,
        source: str = "127.0.0.1",
    ) -> None:
        address = ("127.0.0.1", port)
        self._socket = socket.create_connection(address, timeout=seconds, source_address=(source, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname="127.0.0.1")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def post(self, body: bytes | Any, headers: Sequence[Header] = ()) -> None:
        """Sends a POST of a body (JSON-encoded unless it is bytes) to /mcp."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        length = ("content-length", str(len(data)))
        self.send(request_head("POST", [HOST, *MEDIA, length, *headers]) + data)

    def send_pieces(self, pieces: Iterable[bytes], pause_seconds: float) -> None:
        """Sends each piece as a segment of its own."""
        for piece in pieces:
            self._socket.sendall(piece)
            time.sleep(pause_seconds)

    def head(self) -> HTTPResponse:
        """Reads the head of the response; its `read1` then gives the body as it arrives."""
        response = HTTPResponse(self._socket)
        response.begin()
        return response

    def answer(self) -> Answer:
        """Reads the whole response."""
        response = self.head()
        return Answer(response.status, response.headers, response.read())

    def answers(self, count: int) -> list[Answer]:
        """Reads the responses to so many requests that were sent without waiting; all must tell their length."""
        found = []
        with self._socket.makefile("rb") as stream:
            for _ in range(count):
                status = int(stream.readline().split()[1])
                headers = parse_headers(stream)
                found.append(Answer(status, headers, stream.read(int(headers["content-length"]))))
        return found


def as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def request_head(
    method: str, headers: Sequence[Header], path: str = "/mcp", version: str = "HTTP/1.1"
) -> bytes:
    """The request line and headers, exactly as given, and the empty line."""
    lines = [f"{method} {path} {version}".encode()]
    lines += [as_bytes(name) + b": " + as_bytes(value) for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


HOST: TextHeader = ("host", "127.0.0.1:10000")
MEDIA: tuple[TextHeader, ...] = (
    ("content-type", "application/json"),
    ("accept", "application/json, text/event-stream"),
)


def post(
    port: int, body: bytes | Any, headers: Sequence[Header] = (), tls: ssl.SSLContext | None = None
) -> Answer:
    """`Connection.post` on a connection of its own, and the answer."""
    with Connection(port, tls=tls) as connection:
        connection.post(body, headers)
        return connection.answer()


def send(port: int, method: str, headers: Sequence[Header] = (), path: str = "/mcp") -> Answer:
    """A request without a body on a connection of its own."""
    with Connection(port) as connection:
        connection.send(request_head(method, [HOST, *headers], path))
        return connection.answer()
