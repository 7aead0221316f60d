"""Drives a URL over kept-alive HTTP/1.1 connections, as fast as it answers: with the same request again and
again, by `h2load`; or with requests of which no two are alike, by a loop of our own, since `h2load` has none."""

import itertools
import re
import selectors
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urljoin, urlsplit

from bench.workload import HEADERS, PATH

CONNECTIONS = 8
LIMIT_SECONDS = 60.0
SUMMARY = re.compile(r"^requests: .*?(?P<succeeded>\d+) succeeded", re.MULTILINE)
STATUSES = re.compile(r"^status codes: (?P<ok>\d+) 2xx", re.MULTILINE)
HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class LoadError(RuntimeError):
    """The load was not what it should be; says how."""


class Load(Protocol):
    """What a round sends."""

    @property
    def body(self) -> bytes:
        """Of each request."""

    @property
    def path(self) -> str:
        """Of each request's URL."""

    @property
    def number(self) -> int:
        """Requests a round."""

    def drive(self, url: str, turn: int) -> None:
        """Sends round `turn`; raises `LoadError` if a request was not answered with 2xx."""


class Same:
    """The same request again and again."""

    def __init__(self, body: bytes, number: int, headers: Mapping[str, str] = HEADERS, path: str = PATH) -> None:
        self.body, self.number, self.path, self._headers = body, number, path, headers

    def drive(self, url: str, turn: int) -> None:
        h2load = shutil.which("h2load")
        if h2load is None:
            raise LoadError("h2load is missing: run tests/bench/setup.sh")
        with tempfile.NamedTemporaryFile(prefix="bench-") as file:
            file.write(self.body)
            file.flush()
            argv = [h2load, "--h1", "-t1", f"-c{CONNECTIONS}", f"-n{self.number}", "-d", file.name]
            for name, value in self._headers.items():
                argv += ["-H", f"{name}: {value}"]
            done = subprocess.run(
                [*argv, urljoin(url, self.path)], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
            )
        check(done.stdout + done.stderr, self.number)


class Distinct:
    """Requests that differ in their headers: `headers` makes those of the next one. Whoever is driven in one
    round gets the same requests, and none of them in another round."""

    path = PATH

    def __init__(self, body: bytes, number: int, headers: Callable[[], Mapping[str, str]]) -> None:
        self.body, self.number, self._headers = body, number, headers
        self._turn: int | None = None
        self._round: list[dict[str, str]] = []

    def drive(self, url: str, turn: int) -> None:
        if turn != self._turn:
            self._turn = turn
            self._round = [dict(self._headers()) for _ in range(self.number)]
        drive_each(url, [request(url, headers, self.body) for headers in self._round])


def check(output: str, requests: int) -> None:
    """Whether what `h2load` printed says that each of `requests` was answered with 2xx.

    Raises:
        LoadError: Some were not, or it said nothing of the kind.
    """
    succeeded, statuses = SUMMARY.search(output), STATUSES.search(output)
    if succeeded is None or statuses is None:
        raise LoadError(f"h2load reported nothing; it said:\n{output[-1000:]}")
    if int(succeeded["succeeded"]) != requests or int(statuses["ok"]) != requests:
        raise LoadError(f"not all of {requests} requests were answered with 2xx:\n{succeeded[0]}\n{statuses[0]}")


def request(url: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A POST of `body` as it goes over the wire."""
    target = urlsplit(url)
    fields = {"Host": target.netloc, **headers, "Content-Length": str(len(body))}
    head = [f"POST {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(head).encode() + HEAD_END + body


@dataclass(frozen=True)
class Post:
    """A POST that each of several servers gets."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    def to(self, url: str) -> bytes:
        """As it goes over the wire to the server of that URL."""
        return request(urljoin(url, self.path), self.headers, self.body)


def connect(url: str) -> socket.socket:
    """A connection to the server of that URL."""
    target = urlsplit(url)
    return socket.create_connection((target.hostname, target.port), LIMIT_SECONDS)


def drive_each(url: str, requests: Sequence[bytes]) -> None:
    """Sends each request once, whichever connection is free first.

    Raises:
        LoadError: One was not answered with 2xx, or not in time.
    """
    waiting, answered = iter(requests), 0
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for first in itertools.islice(waiting, CONNECTIONS):
            connection = stack.enter_context(connect(url))
            selector.register(connection, selectors.EVENT_READ, bytearray())
            connection.sendall(first)
        while answered < len(requests):
            ready = selector.select(LIMIT_SECONDS)
            if not ready:
                raise LoadError(f"{answered} of {len(requests)} requests were answered, then none for a minute")
            for key, _ in ready:
                connection, received = key.fileobj, key.data
                piece = connection.recv(64 * 1024)
                if not piece:
                    raise LoadError(f"the connection was closed after {answered} of {len(requests)} requests")
                received += piece
                if not complete(received):
                    continue
                received.clear()
                answered += 1
                if (message := next(waiting, None)) is not None:
                    connection.sendall(message)


def complete(received: bytes | bytearray) -> bool:
    """Whether an answer has arrived as a whole.

    Raises:
        LoadError: Its status is not 2xx, or it does not say how long it is.
    """
    head, found, content = received.partition(HEAD_END)
    if not found:
        return False
    if not head.startswith(b"HTTP/1.1 2"):
        raise LoadError(f"a request was answered with {bytes(received[:300])!r}")
    length = LENGTH.search(bytes(head) + b"\r\n")
    if length is None:
        raise LoadError(f"an answer does not say its length: {bytes(head[:300])!r}")
    return len(content) >= int(length[1])
