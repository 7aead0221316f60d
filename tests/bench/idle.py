"""Memory that Envoy spends on event streams that are open and idle, by configuration.

Each Envoy is measured when it has answered many requests and no stream is open, then with more and more open streams
of which each has had one event. What a module's memory grew by meanwhile is counted.
"""

import resource
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bench import memory, streams
from bench.first_event import has_event
from bench.fleet import CLUSTER
from bench.load import LoadError, Post, Same, connect
from bench.memory import Memory
from bench.upstream import HoldingUpstream
from bench.variants import SHIPPED, Variant
from e2e.envoy import Envoy

WARM_UP_REQUESTS = 1000
SETTLE_SECONDS = 1.2
"""Until ticks have come, which hand counters over, and what is freed late is freed."""
EVENT_BYTES = 8 * 1024
"""Of the event that each stream has had: who keeps the memory for it would be noticed."""
WAVE = 100
"""Streams that are opened at once: few enough for the queue of who listens."""
FILES_BESIDES = 500

Samples = dict[tuple[str, int], Memory]


def measure(
    variants: Sequence[Variant],
    post: Post,
    numbers: Sequence[int],
    progress: Callable[[str], None],
) -> Samples:
    """The memory of each Envoy by its configuration's name and the number of streams, among which is 0.

    Raises:
        ProbeError: A configuration is not what its name says.
        LoadError: A stream was not opened.
    """
    allow_files(2 * max(numbers) + FILES_BESIDES)
    samples: Samples = {}
    for variant in variants:
        progress(f"idle streams: {variant.name}")
        with ExitStack() as stack:
            upstream = stack.enter_context(HoldingUpstream(post.path, streams.notification(EVENT_BYTES)))
            ports = {CLUSTER: [upstream.port]}
            envoy = stack.enter_context(Envoy(SHIPPED, upstreams=ports, edit=variant.edit, log_level="error"))
            variant.probe(envoy.port, post.body)
            Same(post.body, WARM_UP_REQUESTS, post.headers).drive(envoy.url, 0)
            opened = 0
            for number in (0, *sorted(numbers)):
                while opened < number:
                    wave = open_streams(min(WAVE, number - opened), envoy.url, post)
                    opened += len(wave)
                    for connection in wave:
                        stack.enter_context(connection)
                time.sleep(SETTLE_SECONDS)
                check_open(envoy, number)
                samples[variant.name, number] = memory.of(envoy)
    return samples


@dataclass(frozen=True)
class Stream:
    """Bytes that one more stream takes, on average."""

    allocated: float
    guest: float
    resident: float

    @property
    def held(self) -> float:
        """All that is Envoy's and the module's. What is resident tells less: what was freed is reused first."""
        return self.allocated + self.guest


def of_one(samples: Samples, name: str, number: int) -> Stream:
    """What each of that number of streams takes under the configuration of that name."""
    with_none, with_all = samples[name, 0], samples[name, number]
    return Stream(
        (with_all.allocated - with_none.allocated) / number,
        (with_all.guest - with_none.guest) / number,
        (with_all.resident - with_none.resident) / number,
    )


def open_streams(number: int, url: str, post: Post) -> list[socket.socket]:
    """Connections on each of which a stream is open that has had one event.

    Raises:
        LoadError: One was answered otherwise.
    """
    opened = [connect(url) for _ in range(number)]
    for connection in opened:
        connection.sendall(post.to(url))
    for connection in opened:
        received = b""
        while not has_event(received):
            piece = connection.recv(64 * 1024)
            if not piece:
                raise LoadError(f"a stream ended after {received[:300]!r}")
            received += piece
    return opened


def check_open(envoy: Envoy, number: int) -> None:
    """Raises `LoadError` if not as many exchanges are open in Envoy."""
    active = envoy.stats(r"^http\.mcp\.downstream_rq_active$")["http.mcp.downstream_rq_active"]
    if active != number:
        raise LoadError(f"{active} streams are open, not {number}")


def allow_files(number: int) -> None:
    """Lets this process, and those it starts, open as many files.

    Raises:
        LoadError: It may not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < number:
        raise LoadError(f"{number} open files are needed, and the limit is {hard} (ulimit -Hn)")
    if soft != resource.RLIM_INFINITY and soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
