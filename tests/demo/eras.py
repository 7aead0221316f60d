"""Clients of both eras at work: what they got, and what the filter saw of them."""

from __future__ import annotations

from typing import Any

from e2e.agent import Agent
from e2e.picture import Picture
from transcript import Transcript

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("count", {"to": 3}),
    ("book_flight", {"destination": "Oslo"}),
    ("summarize", {"text": "Nothing happened."}),
]
EXPECTED = [
    "counted to 3   (progress: 1 2 3)",
    'Ada flies to Oslo   (was asked: "Who is flying?")',
    'All is well.   (was asked: "Summarize: Nothing happened.")',
]


def both(say: Transcript, scene: Picture) -> None:
    say.section(
        "6. Clients of both eras",
        """Modern requests (2026-07-28) stand alone, with method and tool in their headers as well as in their body;
        legacy ones (2025-11-25) belong to a session, and say in the body only what they want. To book takes a scope
        more, for which the client sends its user to the authorization server by itself.""",
    )
    for user, mode, version in (("erin", "auto", "2026-07-28"), ("frank", "legacy", "2025-11-25")):

        def work(user: str = user, mode: str = mode) -> tuple[list[str], int, str]:
            with scene.agent(user, mode) as agent:
                return [use(agent, *call) for call in CALLS], len(agent.pages), agent.version

        (steps, pages, spoken), entries = scene.gateway.logged(work)
        calls = [entry for entry in entries if entry["method"] == "tools/call"]
        say.line(f"\n  {user.capitalize()}'s client called, and got:")
        say.table([], [[tool, text] for (tool, _), text in zip(CALLS, steps, strict=True)])
        say.line("\n  what Envoy's access log has, from the headers that the filter writes:")
        columns = ["era", "name", "tenant", "principal", "session", "status"]
        say.table(columns, [[entry[column] for column in columns] for entry in calls])
        say.line()
        era = "modern" if mode == "auto" else "legacy"
        say.check(spoken == version, f"it found out that they both speak {version}", spoken)
        say.check(steps == EXPECTED, "every call was answered, with questions in the middle", steps)
        say.check(pages == 2, "its user logged in, and once more for the scope to book", pages)
        named = {(entry["era"], entry["name"]) for entry in calls}
        say.check(
            named == {(era, tool) for tool, _ in CALLS}, "the filter named era and tool of each call", named
        )
        sessions = {entry["session"] for entry in calls if entry["status"] == 200}
        one = len(sessions) == 1 and (None in sessions) == (era == "modern")
        say.check(
            one, "no session" if era == "modern" else "one session, known by a hash of its id", sessions
        )


def use(agent: Agent, tool: str, arguments: dict[str, Any]) -> str:
    pending = agent.begin(tool, **arguments)
    text = pending.result()
    if agent.questions:
        return f'{text}   (was asked: "{agent.questions.pop()}")'
    steps = [word.removeprefix("step ") for word in pending.events.queue]
    return f"{text}   (progress: {' '.join(steps)})" if steps else text
