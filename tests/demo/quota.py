"""A caller who uses up what he has."""

from __future__ import annotations

from e2e.envoy_config import EnvoyConfig
from e2e.picture import PLUGIN, Picture
from transcript import Transcript

ALLOWED = 3
LIMIT = {
    "name": "additions",
    "key": ["principal"],
    "match": {"methods": ["tools/call"], "names": ["add"]},
    "unit": "requests",
    "limit": ALLOWED,
    "window": "1h",
}


def add_limit(config: EnvoyConfig) -> None:
    """A limit that is soon used up beside those of the file."""
    limits = config.settings(PLUGIN)["quota"]["limits"]
    config.change_settings(PLUGIN, {"quota": {"limits": [*limits, LIMIT]}})


def use_up(say: Transcript, scene: Picture) -> None:
    say.section(
        "10. Who has used up their quota",
        """Each caller has a count of their own. A call that is refused is answered as a tool that failed, so the
        model reads why, and for how long.""",
    )
    rows, answers = [], []
    with scene.agent("grace") as grace, scene.agent("heidi") as heidi:
        for number in range(1, ALLOWED + 2):
            answers.append(grace.call("add", a=20, b=22))
            rows.append([f"add, call {number}", answers[-1], grace.left.get("additions")])
        status, other = grace.statuses[-1], heidi.call("add", a=20, b=22)
    say.line()
    say.table(["Grace", "the answer", "left"], rows)
    say.line()
    passed = [answer == "42" for answer in answers]
    say.check(passed == [True] * ALLOWED + [False], f"{ALLOWED} allowed are {ALLOWED} allowed", answers)
    say.check(
        status == 200 and answers[-1].startswith("Quota exceeded"), "the refusal is a tool's result", status
    )
    say.check(other == "42", "Heidi has a quota of her own", other)
