"""Memory and speed of Envoy while one large event stream passes, by configuration."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bench import memory, streams
from bench.figures import order
from bench.first_event import CHUNKS_END
from bench.fleet import CLUSTER
from bench.load import LoadError, Post, connect
from bench.variants import SHIPPED, Variant
from e2e.envoy import Envoy
from e2e.upstream import Exchange, ScriptedUpstream

READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Passed:
    """How one stream passed."""

    speed: float
    """Bytes a second."""
    growth: int
    """Bytes by which Envoy was larger meanwhile, at most, than before its first stream."""


def measure(
    variants: Sequence[Variant],
    post: Post,
    size: int,
    rounds: int,
    progress: Callable[[str], None],
) -> dict[str, list[Passed]]:
    """How streams of about `size` bytes pass, one value a round, by the names of the configurations.

    Raises:
        ProbeError: A configuration is not what its name says.
        LoadError: A stream did not arrive as a whole.
    """
    chunks = streams.long(size)
    length = sum(map(len, chunks))

    def answer(exchange: Exchange) -> None:
        exchange.start_events()
        for chunk in chunks if f" {post.path} " in exchange.request.line else chunks[-1:]:
            exchange.send_chunk(chunk)
        exchange.end_chunks()

    passed: dict[str, list[Passed]] = {variant.name: [] for variant in variants}
    with ExitStack() as stack:
        upstream = stack.enter_context(ScriptedUpstream(answer))
        envoys: dict[str, Envoy] = {}
        before: dict[str, int] = {}
        for variant in variants:
            progress(f"starting Envoy: {variant.name}")
            ports = {CLUSTER: [upstream.port]}
            envoy = stack.enter_context(Envoy(SHIPPED, upstreams=ports, edit=variant.edit, log_level="error"))
            variant.probe(envoy.port, post.body)
            envoys[variant.name], before[variant.name] = envoy, envoy.resident_bytes()
        for turn in range(rounds):
            progress(f"large streams, round {turn + 1} of {rounds}")
            for name in order(list(envoys), turn):
                envoy = envoys[name]
                memory.forget_peak(envoy.pid)
                seconds = receive(envoy.url, post, length)
                growth = memory.peak(envoy.pid) - before[name]
                passed[name].append(Passed(length / seconds, growth))
    return passed


def receive(url: str, post: Post, length: int) -> float:
    """Asks for a stream of that length and reads it to its end; returns the seconds that took.

    Raises:
        LoadError: It was shorter, or no such stream.
    """
    buffer = bytearray(READ_BYTES)
    view, received, end = memoryview(buffer), 0, b""
    start = time.monotonic()
    with connect(url) as connection:
        connection.sendall(post.to(url))
        while not end.endswith(CHUNKS_END):
            count = connection.recv_into(buffer)
            if count == 0:
                raise LoadError(f"a stream of {length} bytes ended after {received}: {end!r}")
            received += count
            end = (end + bytes(view[max(0, count - len(CHUNKS_END)) : count]))[-len(CHUNKS_END) :]
    if received < length:
        raise LoadError(f"of a stream of {length} bytes {received} came")
    return time.monotonic() - start
