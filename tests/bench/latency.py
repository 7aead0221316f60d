"""How long a request takes at a steady load, by configuration.

All Envoys get the same load, which is a part of what the slowest of them can take. Each request has its time to be
sent, whether or not those before it were answered; from then on the clock runs, until the answer was read to its end.
"""

import gc
import select
import socket
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from bench import fleet
from bench.figures import order
from bench.load import LoadError, Post, Same, complete, connect
from bench.variants import Variant

PART = 0.5
"""Of what the slowest takes."""
PROBES, PROBE_REQUESTS = 3, 1500
SECONDS = 1.0
CONNECTIONS_AT_MOST = 64
PATIENCE_SECONDS = 20.0
PERCENTILES = (50, 99)

Samples = dict[str, list[tuple[float, ...]]]
"""Microseconds at each of `PERCENTILES`, one value a round, by the names of the configurations."""


def measure(
    variants: Sequence[Variant], post: Post, rounds: int, progress: Callable[[str], None]
) -> tuple[float, Samples]:
    """The load in requests a second, and how long a request took.

    Raises:
        ProbeError: A configuration is not what its name says.
        LoadError: A request was not answered as it must be.
    """
    samples: Samples = {variant.name: [] for variant in variants}
    with fleet.started(variants, [post], progress) as envoys:
        urls = {name: envoy.url for name, envoy in envoys.items()}
        most = capacity(urls, post, progress)
        rate = PART * min(most.values())
        for turn in range(rounds):
            progress(f"latency at {rate:,.0f} requests a second, round {turn + 1} of {rounds}")
            for name in order(list(urls), turn):
                samples[name].append(percentiles(steadily(urls[name], post, rate, round(rate * SECONDS))))
    return rate, samples


def capacity(urls: Mapping[str, str], post: Post, progress: Callable[[str], None]) -> dict[str, float]:
    """Requests a second that each answers at most, as fast as they can be sent."""
    load = Same(post.body, PROBE_REQUESTS, post.headers, post.path)
    most = dict.fromkeys(urls, 0.0)
    for turn in range(PROBES):
        progress(f"how much each can take, round {turn + 1} of {PROBES}")
        for name in order(list(urls), turn):
            start = time.monotonic()
            load.drive(urls[name], turn)
            most[name] = max(most[name], PROBE_REQUESTS / (time.monotonic() - start))
    return most


def percentiles(values: Sequence[float]) -> tuple[float, ...]:
    """Of `values`, at each of `PERCENTILES`."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return tuple(cuts[percent - 1] for percent in PERCENTILES)


def steadily(url: str, post: Post, rate: float, number: int) -> list[float]:
    """Sends that many requests at that rate, evenly; the microseconds each took.

    Raises:
        LoadError: One was not answered with 2xx, or not in time.
    """
    message, took = post.to(url), []
    gc.disable()  # A pause would be taken for a slow answer.
    try:
        with ExitStack() as stack:
            idle: list[socket.socket] = []
            waiting: dict[socket.socket, tuple[int, bytearray]] = {}
            start, sent = time.perf_counter_ns(), 0
            while len(took) < number:
                due = start + round(sent * 1e9 / rate)
                now = time.perf_counter_ns()
                free = bool(idle) or len(waiting) < CONNECTIONS_AT_MOST
                if sent < number and free and now >= due:
                    connection = idle.pop() if idle else _opened(url, stack)
                    waiting[connection] = due, bytearray()
                    connection.sendall(message)
                    sent += 1
                    continue
                pause = (due - now) / 1e9 if sent < number and free else PATIENCE_SECONDS
                # In microseconds, which epoll would round up to milliseconds.
                ready, _, _ = select.select(list(waiting), [], [], pause)
                if not ready and pause == PATIENCE_SECONDS:
                    raise LoadError(f"{len(took)} of {number} requests were answered, then none")
                for connection in ready:
                    since, received = waiting[connection]
                    piece = connection.recv(64 * 1024)
                    if not piece:
                        raise LoadError(f"the connection was closed after {len(took)} of {number} requests")
                    received += piece
                    if complete(received):
                        took.append((time.perf_counter_ns() - since) / 1e3)
                        del waiting[connection]
                        idle.append(connection)
    finally:
        gc.enable()
    return took


def _opened(url: str, stack: ExitStack) -> socket.socket:
    connection = stack.enter_context(connect(url))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
