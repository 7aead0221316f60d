"""CPU time that Envoy spends on a request, by configuration.

All Envoys run throughout, with one worker each; every round drives each of them in turn with a fixed
number of requests. CPU time is the process's own, all threads, in nanoseconds, as the kernel counts it.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from bench import fleet
from bench.figures import order
from bench.load import Load
from bench.variants import Edit, Variant

WARM_UP_ROUNDS = 2

Samples = dict[tuple[str, str], list[float]]


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used so far (Linux's per-process CPU clock, see clock_getcpuclockid(3))."""
    return time.clock_gettime(~pid << 3 | 2)


def measure(
    variants: Sequence[Variant],
    loads: Mapping[str, Load],
    rounds: int,
    progress: Callable[[str], None],
    upstream_edit: Edit | None = None,
) -> Samples:
    """Microseconds of CPU a request, one value a round, by the names of configuration and load. `upstream_edit`
    changes what the upstream answers.

    Raises:
        ProbeError: A configuration is not what its name says.
        LoadError: A request was not answered as it must be.
    """
    samples: Samples = {(variant.name, load): [] for variant in variants for load in loads}
    with fleet.started(variants, loads.values(), progress, upstream_edit) as envoys:
        targets = {name: (envoy.pid, envoy.url) for name, envoy in envoys.items()}
        for turn in range(-WARM_UP_ROUNDS, rounds):
            progress(f"round {max(turn + 1, 0)} of {rounds}")
            for name in order(list(targets), turn):
                pid, url = targets[name]
                for load_name, load in loads.items():
                    before = cpu_seconds(pid)
                    load.drive(url, turn)
                    used = cpu_seconds(pid) - before
                    if turn >= 0:
                        samples[name, load_name].append(used * 1e6 / load.number)
        requests = rounds * sum(load.number for load in loads.values())
        for variant in variants:
            fleet.confirm(variant, envoys[variant.name], requests)
    return samples
