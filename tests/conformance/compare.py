"""What differs between two runs of the suite over the same server.

A scenario is a bag of checks. Compared are the checks themselves, not their numbers: behind a gateway
that cuts streams some checks are skipped instead of failed, and then nothing fails but less passes.

A few checks compare with the suite's own address and cannot pass behind any gateway. Those are expected,
by name and with the reason; one that does pass is no longer, which is told as well.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PASSED, FAILED = "SUCCESS", "FAILURE"
RESULT_DIRECTORY = re.compile(r"(?:server-)?(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")

Reasons = Mapping[str, str]
"""Why checks of one scenario are expected to change, by their names."""


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
    reasons: Reasons = field(default_factory=dict)

    @property
    def newly_failed(self) -> Counter[Check]:
        return self._unexpected(self._failed)

    @property
    def no_longer_passed(self) -> Counter[Check]:
        """Checks that passed direct and were not made, or were skipped, through the gateway."""
        return self._unexpected(self._not_passed)

    @property
    def expected(self) -> Reasons:
        """The expected changes that there are."""
        changed = {check.name for check in self._failed | self._not_passed}
        return {name: reason for name, reason in self.reasons.items() if name in changed}

    @property
    def outdated(self) -> set[str]:
        """Checks whose change is expected and that did not change."""
        return set(self.reasons) - set(self.expected)

    @property
    def newly_passed(self) -> Counter[Check]:
        return self.gateway.passed - self.direct.passed

    @property
    def worse(self) -> bool:
        return bool(self.newly_failed or self.no_longer_passed)

    @property
    def _failed(self) -> Counter[Check]:
        return self.gateway.failed - self.direct.failed

    @property
    def _not_passed(self) -> Counter[Check]:
        return self.direct.passed - self.gateway.passed - self._failed

    def _unexpected(self, checks: Counter[Check]) -> Counter[Check]:
        return Counter({check: count for check, count in checks.items() if check.name not in self.reasons})


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

    What a client printed counts too: checks of its own, as a JSON list in the suite's form.

    Raises:
        ValueError: There is no result, or a directory is not named as the suite names them.
    """
    found: dict[str, Outcome] = {}
    for path in sorted(directory.rglob("checks.json")):
        named = RESULT_DIRECTORY.fullmatch(str(path.parent.relative_to(directory)))
        if named is None:
            raise ValueError(f"{path.parent}: not named server-SCENARIO-TIMESTAMP or SCENARIO-TIMESTAMP")
        printed = path.with_name("stdout.txt")
        own = printed.read_text() if printed.exists() else ""
        found[named["scenario"]] = parse(json.loads(path.read_text()) + json.loads(own or "[]"))
    if not found:
        raise ValueError(f"{directory}: the suite left no results")
    return found


def compare(
    direct: Mapping[str, Outcome], gateway: Mapping[str, Outcome], expected: Mapping[str, Reasons] | None = None
) -> list[Difference]:
    """Every scenario of either run, in the order of the direct one; `expected` is by scenario."""
    scenarios = list(direct) + [scenario for scenario in gateway if scenario not in direct]
    nothing = Outcome()
    reasons = expected or {}
    return [
        Difference(scenario, direct.get(scenario, nothing), gateway.get(scenario, nothing), reasons.get(scenario, {}))
        for scenario in scenarios
    ]
