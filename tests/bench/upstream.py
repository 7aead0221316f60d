"""What stands behind the Envoys whose streams are measured: the second Envoy, made to answer with streams, and a
server that leaves them open."""

import base64
import copy
import socket
import threading
from collections.abc import Mapping
from typing import Self

from bench.load import HEAD_END, LENGTH, LoadError
from e2e.envoy_config import EnvoyConfig

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
READ_SECONDS = 20.0


def answer_with(config: EnvoyConfig, streams: Mapping[str, bytes]) -> None:
    """Makes the second Envoy answer with the event stream that belongs to a path."""
    routes = config.connection_manager()["route_config"]
    routes["max_direct_response_body_size_bytes"] = 4 * 1024 * 1024
    (host,) = routes["virtual_hosts"]
    (document,) = host["routes"]
    for path, stream in streams.items():
        route = copy.deepcopy(document) | {"match": {"path": path}}
        # Not as a string: of one, YAML may lose an empty line at the end.
        route["direct_response"]["body"] = {"inline_bytes": base64.b64encode(stream).decode()}
        (added,) = route["response_headers_to_add"]
        added["header"]["value"] = "text/event-stream"
        host["routes"].insert(0, route)


class HoldingUpstream:
    """Answers every request with one event; the stream ends there, or stays open if it is that of `path`. A context
    manager. One thread serves one request after the other, each on a connection of its own."""

    def __init__(self, path: str, event: bytes) -> None:
        self._held, self._event = f"POST {path} ".encode(), event
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(READ_SECONDS)
            try:
                self._serve(connection)
            except OSError:
                connection.close()  # The Envoy is being stopped.

    def _serve(self, connection: socket.socket) -> None:
        request, length = read_request(connection), len(self._event)
        if request is None:
            connection.close()  # A health check, which says nothing.
        elif request.startswith(self._held):
            connection.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (length, self._event))
            self._open.append(connection)
        else:
            connection.sendall(HEAD + b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (length, self._event))
            connection.close()


def read_request(connection: socket.socket) -> bytes | None:
    """A request with all of its body, or nothing if the other side closes before it asks anything.

    Raises:
        LoadError: The connection ended within it.
    """
    received = b""
    while not _is_whole(received):
        piece = connection.recv(64 * 1024)
        if not piece and received:
            raise LoadError(f"a request ended within: {received[:300]!r}")
        if not piece:
            return None
        received += piece
    return received


def _is_whole(request: bytes) -> bool:
    head, found, content = request.partition(HEAD_END)
    length = LENGTH.search(head + b"\r\n")
    return bool(found) and len(content) >= (int(length[1]) if length is not None else 0)
