"""Drives a URL with `h2load` over kept-alive HTTP/1.1 connections, as fast as it answers."""

import re
import shutil
import subprocess
from pathlib import Path

from bench.workload import HEADERS

CONNECTIONS = 8
LIMIT_SECONDS = 60.0
SUMMARY = re.compile(r"^requests: .*?(?P<succeeded>\d+) succeeded", re.MULTILINE)
STATUSES = re.compile(r"^status codes: (?P<ok>\d+) 2xx", re.MULTILINE)


class LoadError(RuntimeError):
    """The load was not what it should be; says how."""


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


def drive(url: str, body: Path, requests: int) -> None:
    """Sends that many requests with the body in that file.

    Raises:
        LoadError: `h2load` is missing, or a request was not answered with 2xx.
    """
    h2load = shutil.which("h2load")
    if h2load is None:
        raise LoadError("h2load is missing: run tests/bench/setup.sh")
    argv: list[str | Path] = [h2load, "--h1", "-t1", f"-c{CONNECTIONS}", f"-n{requests}", "-d", body]
    for name, value in HEADERS.items():
        argv += ["-H", f"{name}: {value}"]
    done = subprocess.run([*argv, url], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    check(done.stdout + done.stderr, requests)
