"""How long a client waits for the first event of a stream, by configuration.

One request at a time, so nobody waits for anybody. Every round asks each Envoy some times in a row, after a pause. The
first of a row finds an Envoy that was idle while the others were asked; the last one finds it at work. The time runs
from before the request is written until the event was read.
"""

import random
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Self

from bench import fleet
from bench.load import HEAD_END, LENGTH, LoadError, Post, connect
from bench.variants import Edit, Variant

IDLE, BUSY = "idle before", "at work before"
IN_A_ROW = 5
PAUSE_SECONDS = 0.003
WARM_UP_ROUNDS = 20
EVENT_END, CHUNKS_END = b"\n\n", b"\r\n0\r\n\r\n"

Samples = dict[tuple[str, str], list[float]]


class Client:
    """A kept-alive connection over which the same stream is asked for again and again; a context manager."""

    def __init__(self, url: str, post: Post) -> None:
        self._request = post.to(url)
        self._connection = connect(url)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self) -> float:
        """Microseconds to the first event; returns once the stream has ended.

        Raises:
            LoadError: It was answered with no such stream.
        """
        start = time.perf_counter_ns()
        self._connection.sendall(self._request)
        received = self._more(b"")
        while not has_event(received):
            received = self._more(received)
        elapsed = time.perf_counter_ns() - start
        while not has_ended(received):
            received = self._more(received)
        return elapsed / 1e3

    def _more(self, received: bytes) -> bytes:
        piece = self._connection.recv(64 * 1024)
        if not piece:
            raise LoadError(f"the connection was closed after {received[:300]!r}")
        return received + piece


def has_event(received: bytes) -> bool:
    """Whether an answer has come as far as the end of its first event.

    Raises:
        LoadError: Its status is not 200.
    """
    head, found, content = received.partition(HEAD_END)
    if found and not head.startswith(b"HTTP/1.1 200"):
        raise LoadError(f"a request was answered with {received[:300]!r}")
    return EVENT_END in content


def has_ended(received: bytes) -> bool:
    """Whether an answer has come as a whole: it says its length, or comes in chunks."""
    head, _, content = received.partition(HEAD_END)
    length = LENGTH.search(head + b"\r\n")
    return content.endswith(CHUNKS_END) if length is None else len(content) >= int(length[1])


def measure(
    variants: Sequence[Variant],
    post: Post,
    rounds: int,
    progress: Callable[[str], None],
    upstream_edit: Edit,
) -> Samples:
    """Microseconds to the first event, one value a round, by the names of the configurations and what they did before.

    Raises:
        ProbeError: A configuration is not what its name says.
        LoadError: A request was not answered as it must be.
    """
    samples: Samples = {(variant.name, before): [] for variant in variants for before in (IDLE, BUSY)}
    with fleet.started(variants, [post], progress, upstream_edit) as envoys, ExitStack() as stack:
        clients = {name: stack.enter_context(Client(envoy.url, post)) for name, envoy in envoys.items()}
        for turn in range(-WARM_UP_ROUNDS, rounds):
            progress(f"first events, round {max(turn + 1, 0)} of {rounds}")
            # Not in turns: it matters who was asked before.
            for name in random.Random(turn).sample(list(clients), len(clients)):
                time.sleep(PAUSE_SECONDS)
                first, *_, last = [clients[name].ask() for _ in range(IN_A_ROW)]
                if turn >= 0:
                    samples[name, IDLE].append(first)
                    samples[name, BUSY].append(last)
        for variant in variants:
            fleet.confirm(variant, envoys[variant.name], rounds * IN_A_ROW)
    return samples
