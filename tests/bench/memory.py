"""Memory of a running Envoy, as the kernel and Envoy itself count it (Linux)."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from e2e.envoy import Envoy

MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S{4})")
RESERVED = 1 << 32
"""More than this no module can have, so V8 reserves at least as much behind what it has."""
RESET_PEAK = "5"


@dataclass(frozen=True)
class Memory:
    """Bytes of one Envoy."""

    resident: int
    """All that is in RAM."""
    allocated: int
    """What Envoy's own code holds, by its allocator: without modules and V8."""
    guest: int
    """What modules can address, in all VMs."""


def of(envoy: Envoy) -> Memory:
    """Now."""
    said = json.loads(envoy.admin("/memory"))
    return Memory(envoy.resident_bytes(), int(said["allocated"]), guest(Path(f"/proc/{envoy.pid}/maps").read_text()))


def guest(maps: str) -> int:
    """The memory of all modules in a process, by its mappings: V8 puts each in front of reserved addresses that
    nobody may touch, so that an access beyond it fails."""
    total = 0
    before, accessible = 0, 0
    for line in maps.splitlines():
        mapping = MAPPING.match(line)
        if mapping is None:
            continue
        start, end = (int(address, 16) for address in mapping.group(1, 2))
        if mapping[3] == "---p" and end - start > RESERVED and start == before:
            total += accessible
        before, accessible = end, end - start if mapping[3] == "rw-p" else 0
    return total


def forget_peak(pid: int) -> None:
    """Lets the peak of resident memory begin anew (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text(RESET_PEAK)


def peak(pid: int) -> int:
    """The most bytes that were resident since the peak was last forgotten."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
