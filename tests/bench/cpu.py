"""CPU time that Envoy spends on a request, by configuration.

All Envoys run throughout, with one worker each; every round drives each of them in turn with a fixed
number of requests. CPU time is the process's own, all threads, in nanoseconds, as the kernel counts it.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.figures import order
from bench.load import drive
from bench.variants import SHIPPED, Variant
from bench.workload import body
from e2e.envoy import Envoy

UPSTREAM = Path(__file__).with_name("upstream.yaml")
CLUSTER = "mcp_servers"
WARM_UP_ROUNDS = 2

Samples = dict[tuple[str, int], list[float]]


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used so far (Linux's per-process CPU clock, see clock_getcpuclockid(3))."""
    return time.clock_gettime(~pid << 3 | 2)


def measure(
    variants: Sequence[Variant], requests: dict[int, int], rounds: int, progress: Callable[[str], None]
) -> Samples:
    """Microseconds of CPU a request, one value a round, by configuration and body size.

    `requests` says how many to send a round, by body size in bytes.
    """
    samples: Samples = {(variant.name, size): [] for variant in variants for size in requests}
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        for size in requests:
            (directory / str(size)).write_bytes(body(size))
        upstream = stack.enter_context(Envoy(UPSTREAM, log_level="error"))
        targets: dict[str, tuple[int, str]] = {}
        for variant in variants:
            progress(f"starting Envoy: {variant.name}")
            envoy = stack.enter_context(
                Envoy(SHIPPED, upstreams={CLUSTER: [upstream.port]}, edit=variant.edit, log_level="error")
            )
            for size in requests:
                variant.probe(envoy.port, body(size))
            targets[variant.name] = (envoy.pid, envoy.url)
        for turn in range(-WARM_UP_ROUNDS, rounds):
            progress(f"round {max(turn + 1, 0)} of {rounds}")
            for name in order(list(targets), turn):
                pid, url = targets[name]
                for size, number in requests.items():
                    before = cpu_seconds(pid)
                    drive(url, directory / str(size), number)
                    used = cpu_seconds(pid) - before
                    if turn >= 0:
                        samples[name, size].append(used * 1e6 / number)
    return samples
