"""What differs between two runs of the suite over the same server.

A scenario is a bag of checks. Compared are the checks themselves, not their numbers: behind a gateway
that cuts streams some checks are skipped instead of failed, and then nothing fails but less passes.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PASSED, FAILED = "SUCCESS", "FAILURE"
RESULT_DIRECTORY = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")


@dataclass(frozen=True)
class Check:
    """What one check looks at. A scenario may make the same check several times."""

    name: str
    description: str


@dataclass
class Outcome:
    """The checks of one scenario that passed and that failed; others were skipped, or only informed."""

    passed: Counter[Check] = field(default_factory=Counter)
    failed: Counter[Check] = field(default_factory=Counter)
    messages: dict[Check, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.passed.total()}/{self.failed.total()}"


@dataclass(frozen=True)
class Difference:
    """One scenario in both runs, and each check whose outcome changed."""

    scenario: str
    direct: Outcome
    gateway: Outcome

    @property
    def newly_failed(self) -> Counter[Check]:
        return self.gateway.failed - self.direct.failed

    @property
    def no_longer_passed(self) -> Counter[Check]:
        """Checks that passed direct and were not made, or were skipped, through the gateway."""
        return self.direct.passed - self.gateway.passed - self.newly_failed

    @property
    def newly_passed(self) -> Counter[Check]:
        return self.gateway.passed - self.direct.passed

    @property
    def worse(self) -> bool:
        return bool(self.newly_failed or self.no_longer_passed)


def parse(checks: list[Mapping[str, object]]) -> Outcome:
    """The outcome told by one scenario's `checks.json`."""
    outcome = Outcome()
    for entry in checks:
        check = Check(str(entry["name"]), str(entry["description"]))
        if entry["status"] == PASSED:
            outcome.passed[check] += 1
        elif entry["status"] == FAILED:
            outcome.failed[check] += 1
            outcome.messages[check] = str(entry.get("errorMessage", ""))
    return outcome


def read(directory: Path) -> dict[str, Outcome]:
    """The outcome of each scenario that a run of the suite left in `directory`.

    Raises:
        ValueError: There is no result, or a directory is not named as the suite names them.
    """
    found: dict[str, Outcome] = {}
    for path in sorted(directory.glob("*/checks.json")):
        named = RESULT_DIRECTORY.fullmatch(path.parent.name)
        if named is None:
            raise ValueError(f"{path.parent}: not named server-SCENARIO-TIMESTAMP")
        found[named["scenario"]] = parse(json.loads(path.read_text()))
    if not found:
        raise ValueError(f"{directory}: the suite left no results")
    return found


def compare(direct: Mapping[str, Outcome], gateway: Mapping[str, Outcome]) -> list[Difference]:
    """Every scenario of either run, in the order of the direct one."""
    scenarios = list(direct) + [scenario for scenario in gateway if scenario not in direct]
    nothing = Outcome()
    return [
        Difference(scenario, direct.get(scenario, nothing), gateway.get(scenario, nothing)) for scenario in scenarios
    ]
