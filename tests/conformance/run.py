"""`make conformance`: the official suite, direct and through Envoy with our modules.

Three questions, a table or more each:
- transparency: does any check that passes direct fail, or go missing, through `mcp_gateway.wasm`?
- enforcement: does it make a server that ignores its routing headers pass the checks of them?
- sign-in: do clients get tokens through `mcp_gateway.wasm`, for the gateway, as they do without it?

Exits with 1 if a check got worse, or if enforcement does not hold; 2 if the suite could not be run.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conformance.auth import leg as sign_in
from conformance.auth.client import NOT_PLAYED
from conformance.compare import Difference, Outcome, compare
from conformance.suite import REPOSITORY, REVISIONS, TESTS, SuiteError, run
from e2e.envoy import Envoy
from e2e.envoy_config import EnvoyConfig
from e2e.process import Process, StartError, accepts, free_port

CONFIGURATION = REPOSITORY / "envoy/session.yaml"
ALL_FILTERS = {
    # Nobody has credentials in these scenarios, so nobody is refused for that.
    "auth": {
        "api_keys": [{"hash": "sha256:" + 64 * "0", "principal": "nobody"}],
        "export_key": "ZXhhbXBsZSBleHBvcnQga2V5IGZvciB4LW1jcC1zZXNzaW9uIQ==",
        "shadow": True,
    },
    # Every answer is read and counted; one is to be cut off at a limit that is never reached.
    "quota": {
        "limits": [
            {"name": "all", "key": ["ip"], "unit": "tokens", "limit": 10**12, "window": "24h", "hard": True},
            {"name": "open", "key": ["ip"], "unit": "concurrent", "limit": 10**6},
        ],
        "loop_breaker": {"calls": 1000, "window": "1m"},
        "remaining_headers": True,
    },
    "sse": {"measure": True},
}
"""What the sections of the other filters add to the session filter's."""
START_SECONDS = 20.0
ENFORCED = "http-header-validation"
MODERN = REVISIONS[-1]


@contextmanager
def _server(directory: Path, *options: str) -> Iterator[int]:
    """The server under test, on the port yielded."""
    port = free_port()
    argv = [sys.executable, "-m", "conformance.server", "--port", str(port), *options]
    with Process("conformance server", argv, directory / f"server-{port}.log", cwd=TESTS) as server:
        server.wait_until(lambda: accepts(port), START_SECONDS)
        yield port


@contextmanager
def _gateway(upstream: int) -> Iterator[str]:
    """Envoy with all filters in front of that port; the suite's own origin is the only one allowed."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    def listen(config: EnvoyConfig) -> None:
        address = config.document["static_resources"]["listeners"][0]["address"]
        address["socket_address"]["port_value"] = port
        config.set_module("mcp_session", REPOSITORY / "dist" / "mcp_gateway.wasm")

    settings = {"mcp_session": {"admission": {"origins": [url]}, **ALL_FILTERS}}
    with Envoy(CONFIGURATION, upstreams={"mcp_servers": [upstream]}, settings=settings, edit=listen):
        yield f"{url}/mcp"


def _both(directory: Path, revision: str, *options: str) -> tuple[list[Difference], bool]:
    """One revision direct and through the gateway, and whether all required scenarios pass direct."""
    with _server(directory, *options) as port, _gateway(port) as gateway:
        direct, complete = run(f"http://127.0.0.1:{port}/mcp", revision, directory / "direct")
        through, _ = run(gateway, revision, directory / "gateway")
    return compare(direct, through), complete


def _total(outcomes: list[Outcome]) -> str:
    passed = sum(outcome.passed.total() for outcome in outcomes)
    failed = sum(outcome.failed.total() for outcome in outcomes)
    return f"{passed}/{failed}"


def _row(scenario: str, direct: object, gateway: object, verdict: str) -> None:
    print(f"  {scenario:<48} {direct!s:>8} {gateway!s:>8}  {verdict}".rstrip())


def _details(difference: Difference) -> None:
    """One line per check that changed for the worse, and should not have."""
    for check in difference.newly_failed:
        print(f"      fails:   {check.name}: {difference.gateway.messages.get(check) or check.description}")
    for check in difference.no_longer_passed:
        print(f"      missing: {check.name}: {check.description}")


def _verdict(difference: Difference) -> str:
    if difference.worse:
        return "WORSE"
    if difference.expected:
        return "as expected"
    return "better" if difference.newly_passed and difference.direct.failed else ""


def _report(title: str, differences: list[Difference]) -> None:
    print(f"\n{title}")
    _row("scenario (checks passed/failed)", "direct", "gateway", "")
    for difference in differences:
        _row(difference.scenario, difference.direct, difference.gateway, _verdict(difference))
        _details(difference)
    totals = [_total([each.direct for each in differences]), _total([each.gateway for each in differences])]
    _row("total", *totals, "")
    if any(difference.scenario.startswith("tasks-") for difference in differences):
        print("  (tasks-*: an extension that the server does not implement and the suite does not score)")
    expected = {name: reason for difference in differences for name, reason in difference.expected.items()}
    for name, reason in expected.items():
        print(f"  expected: {name}: {reason}")


def _transparency(directory: Path, revision: str) -> list[str]:
    """Prints the table of one revision; returns what is wrong."""
    differences, complete = _both(directory, revision)
    _report(f"MCP {revision}, a server that passes", differences)
    faults = _worse(revision, differences)
    if not complete:
        faults.append(f"{revision}: the server under test does not pass all that is required, even direct")
    return faults


def _worse(revision: str, differences: list[Difference]) -> list[str]:
    return [f"{revision}: {each.scenario} is worse through the gateway" for each in differences if each.worse]


def _sign_in(directory: Path) -> list[str]:
    """Prints a table per revision of how clients sign in; returns what is wrong."""
    faults = []
    with sign_in.player(directory) as port:
        for revision in sign_in.RUNS:
            differences = sign_in.differences(port, revision, directory / revision)
            _report(f"MCP {revision}, a client that signs in", differences)
            faults += _worse(revision, differences)
            for each in differences:
                faults += [f"{revision}: {each.scenario}: {name} is not worse any more" for name in each.outdated]
                if each.direct.failed:
                    faults.append(f"{revision}: the client under test does not pass {each.scenario}, even direct")
    print(f"  (not played: {', '.join(NOT_PLAYED)}: extensions that the client does not implement)")
    return faults


def _enforcement(directory: Path) -> list[str]:
    """Prints what the gateway adds to a lax server; returns what is wrong."""
    differences, _ = _both(directory, MODERN, "--lax")
    changed = [each for each in differences if each.worse or each.newly_passed or each.scenario == ENFORCED]
    _report(f"MCP {MODERN}, a server that ignores its routing headers (what changes)", changed)
    [enforced] = [each for each in differences if each.scenario == ENFORCED]
    faults = []
    if not enforced.direct.failed:
        faults.append(f"{ENFORCED} does not fail on the lax server: it proves nothing")
    if enforced.gateway.failed:
        faults.append(f"{ENFORCED} fails through the gateway: the headers are not enforced")
    return faults


def main() -> int:
    """Runs everything; returns the exit status."""
    try:
        with tempfile.TemporaryDirectory(prefix="conformance-") as name:
            root = Path(name)
            faults: list[str] = []
            for leg in (*REVISIONS, "lax", "sign-in"):
                directory = root / leg
                directory.mkdir()
                match leg:
                    case "lax":
                        faults += _enforcement(directory)
                    case "sign-in":
                        faults += _sign_in(directory)
                    case revision:
                        faults += _transparency(directory, revision)
    except (SuiteError, StartError) as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2
    print()
    for fault in faults:
        print(f"conformance: {fault}")
    if not faults:
        print("conformance: nothing is worse through the gateway but what must be, and routing headers are enforced")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
