"""The OAuth scenarios of the suite's client leg, played direct and through the gateway."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from conformance.auth.client import NOT_PLAYED
from conformance.compare import Difference, Outcome, Reasons, compare
from conformance.suite import REVISIONS, TESTS, SuiteError, run_client
from e2e.process import Process, accepts, free_port

START_SECONDS = 30.0

RUNS: Mapping[str, Sequence[str]] = {
    "2025-03-26": ["--suite", "backcompat", "--spec-version", "2025-03-26"],
    **{revision: ["--requirements", revision] for revision in REVISIONS},
}
"""The options that choose the scenarios of a revision."""

OTHER_URL = "the suite compares with the URL of its own server; GatewayResource stands for it"
OWN_METADATA = "the gateway tells its own URL, whatever the server behind it says, so nothing is there to reject"
CONFIGURED = "the gateway names the authorization server that it was configured with when the client began"

_RESOURCE: Reasons = {"Resource parameter matches protected resource metadata": OTHER_URL}
EXPECTED: Mapping[str, Reasons] = {
    **{f"auth/metadata-{name}": _RESOURCE for name in ("default", "var1", "var2", "var3")},
    **{f"auth/token-endpoint-auth-{name}": _RESOURCE for name in ("basic", "post", "none")},
    "auth/resource-mismatch": {"Client rejects mismatched resource": OWN_METADATA},
    # Here the server changes to another authorization server in the middle.
    "auth/authorization-server-migration": {
        "PRMPathBasedRequested": CONFIGURED,
        "ClientRegistration": CONFIGURED,
        "DCR application_type specified": CONFIGURED,
        "Client re-registers with the new authorization server": CONFIGURED,
    },
}
"""What no client can pass behind a gateway with metadata of its own, by scenario and check."""


@contextmanager
def player(directory: Path) -> Iterator[int]:
    """The process that plays the client, on the port yielded."""
    port = free_port()
    argv = [sys.executable, "-m", "conformance.auth.player", "--port", str(port)]
    with Process("client player", argv, directory / f"player-{port}.log", cwd=TESTS) as process:
        process.wait_until(lambda: accepts(port), START_SECONDS)
        yield port


def differences(port: int, revision: str, directory: Path) -> list[Difference]:
    """The OAuth scenarios of one revision, played by the player at `port`.

    Raises:
        SuiteError: The suite did not end in time, or left no results.
    """

    def play(leg: str) -> dict[str, Outcome]:
        command = f"bash conformance/auth/relay.sh {port} {leg}"
        if outcomes := _played(run_client(command, RUNS[revision], directory / leg)):
            return outcomes
        raise SuiteError(f"{revision}: the suite has no scenario of auth/*")

    return compare(play("direct"), play("gateway"), EXPECTED)


def _played(outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
    return {
        scenario: outcome
        for scenario, outcome in outcomes.items()
        if scenario.startswith("auth/") and scenario not in NOT_PLAYED
    }
