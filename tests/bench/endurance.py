"""Memory of an Envoy while it answers very many requests: what a module keeps of each would be seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import fleet, memory
from bench.load import Load
from bench.memory import Memory
from bench.variants import Edit, Variant

READINGS = 10


@dataclass(frozen=True)
class Reading:
    """Memory after so many requests."""

    requests: int
    memory: Memory


def measure(
    variant: Variant,
    loads: Callable[[], Sequence[Load]],
    requests: int,
    progress: Callable[[str], None],
    upstream_edit: Edit | None = None,
) -> list[Reading]:
    """The memory at `READINGS` points at most: after the first requests, and until at least `requests`. `loads` makes
    what is sent next, again and again until the next point.

    Raises:
        ProbeError: The configuration is not what its name says.
        LoadError: A request was not answered as it must be.
    """
    readings: list[Reading] = []
    first = loads()
    with fleet.started([variant], first, progress, upstream_edit) as envoys:
        (envoy,) = envoys.values()
        sent, turn = 0, 0
        for point in range(READINGS):
            progress(f"{sent:,} of {requests:,} requests")
            due = requests * point // (READINGS - 1)
            if readings and sent >= due:
                continue
            while not sent or sent < due:
                for load in first if turn == 0 else loads():
                    load.drive(envoy.url, turn)
                    sent += load.number
                turn += 1
            readings.append(Reading(sent, memory.of(envoy)))
        fleet.confirm(variant, envoy, sent)
    return readings
