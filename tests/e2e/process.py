"""A child process that is waited for with a bound and stopped by its id.

Every server the tests and the demo start goes through here, so that nothing is left running
and a server that does not come up says why, with the end of its log.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

POLL_SECONDS = 0.02

# Even if we are killed and cannot stop it (setpriv is in util-linux; it becomes the program it starts).
DIES_WITH_US = ["setpriv", "--pdeathsig", "TERM", "--"]


class StartError(RuntimeError):
    """A process ended, or was not ready in time; carries the end of its log."""


class Process:
    """One child process whose output goes to a log file."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        log: Path,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as sink:
            self._child = subprocess.Popen(
                [*DIES_WITH_US, *(str(word) for word in argv)],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **(env or {})},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._child.pid

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Returns once `ready` holds; stops the process and raises `StartError` if it ends or takes longer."""
        deadline = time.monotonic() + seconds
        while not ready():
            status = self._child.poll()
            if status is None and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
                continue
            why = f"not ready after {seconds:g} s" if status is None else f"ended with status {status}"
            self.stop()
            raise StartError(f"{self.name}: {why}; end of {self.log}:\n{self.log_tail()}")

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def log_tail(self, lines: int = 25) -> str:
        return "\n".join(self.log_text().splitlines()[-lines:])

    def pause(self) -> None:
        """Freezes the process: its port stays open and nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def kill(self) -> None:
        """Ends the process at once, in the middle of whatever it does."""
        self._child.kill()
        self._child.wait()

    def stop(self, grace_seconds: float = 3.0) -> None:
        """Asks the process to end, then makes it."""
        if self._child.poll() is not None:
            return
        os.kill(self.pid, signal.SIGCONT)
        self._child.terminate()
        try:
            self._child.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def resident_bytes(self) -> int:
        """Memory in use, from /proc."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1]) * 1024

    def cpu_seconds(self) -> float:
        """User plus system time used so far, all threads, from /proc."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A TCP port on 127.0.0.1 that was free a moment ago, for servers that cannot take port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def lasting_port() -> int:
    """A free TCP port on 127.0.0.1 that no connection is given, so a server can leave it and come back to it."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.sample(range(10_000, first), 100):
        if not accepts(port):
            return port
    raise RuntimeError("every port is taken")


def accepts(port: int) -> bool:
    """Whether something listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
