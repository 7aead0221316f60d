"""The demo's story: an agent at work while the primary is overloaded, dies, and comes back."""

from __future__ import annotations

import time
from typing import Any

from e2e.agent import Agent
from e2e.picture import CALLS, Picture
from mcp import MCPError
from transcript import Transcript

MOST_ATTEMPTS = 200
PAGES = 4
PAUSE_MS = 150


def sign_in_and_stream(say: Transcript, scene: Picture, alice: Agent) -> None:
    say.section(
        "1. An agent signs in, and its call is streamed",
        """It comes without a token, is told where to get one, and does the rest by itself. Then it calls a tool that
        takes a while, and reads each event as it is made.""",
    )
    say.line()
    entries = scene.gateway.settled_log()
    say.table(["Alice's agent", "", "served by"], [served(scene, entry) for entry in entries])
    say.line()
    say.check(alice.statuses[0] == 401 and len(alice.pages) == 1, "its user logged in once", alice.statuses)

    began = time.monotonic()
    report = alice.begin("write_report", call="report-1", steps=PAGES, pause_ms=PAUSE_MS, held=True)
    arrived = [(report.event(), time.monotonic())]
    at_work = not report.answer.done() and not scene.ledger.ended("report-1")
    scene.ledger.let_go("report-1")
    arrived += [(report.event(), time.monotonic()) for _ in range(1, PAGES)]
    arrived += [(report.result(), time.monotonic())]
    say.line()
    say.table(["after", "what arrived"], [[f"{when - began:.2f} s", words] for words, when in arrived])
    say.line()
    say.check(at_work, "the first event was there while the tool was still at work")
    executed(say, scene, "report-1", ["primary"])
    left = alice.left["calls"]
    say.check(
        left == CALLS - 1,
        f"the quota: {left} of {CALLS} calls left, {alice.left['tenant-tokens']:,} tokens",
        left,
    )


def overloaded(say: Transcript, scene: Picture, alice: Agent) -> None:
    say.section(
        "2. The primary is overloaded: it answers 503",
        """What changes nothing is asked again, of the backup, in the same request. A tool is not: it may have been
        done. The agent gets the 503 and tries again; after five bad answers Envoy leaves the primary alone.""",
    )
    before, spans = alice.left["calls"], len(scene.collector.spans())

    def work() -> tuple[str, int]:
        with scene.primary.overloaded(), scene.agent("bob") as bob:
            bob.list_tools()
            return insist(alice, "order-2")

    (answer, failures), entries = scene.gateway.logged(work)
    say.line()
    rows = [served(scene, entry) for entry in entries if entry["upstream"]]
    say.table(["Bob lists the tools, Alice places order-2", "", "served by"], rows)
    say.line(f"\n  {answer}")
    say.line()
    lists = [entry for entry in entries if entry["method"] in ("server/discover", "tools/list")]
    say.check(
        all(entry["status"] == 200 and entry["attempts"] == 2 for entry in lists[:2]) and len(lists) > 1,
        "Bob saw no trouble: the backup answered at the second attempt",
        [served(scene, entry) for entry in lists],
    )
    trace = scene.attempts("tools/list", 2, spans)
    asked = [(scene.role(span.attributes["upstream_address"]), span.attributes["http.status_code"]) for span in trace]
    say.check(
        asked == [("primary", "503"), ("backup", "200")] and len({span.trace for span in trace}) == 1,
        "and one trace shows both attempts at his list: primary 503, backup 200",
        asked,
    )
    executed(say, scene, "order-2", ["backup"])
    spent = before - alice.left["calls"]
    say.check(
        spent == 1, f"Alice was charged one call for {failures + 1} attempts: a 503 costs nothing", spent
    )


def dies_in_mid_stream(say: Transcript, scene: Picture, alice: Agent, carol: Agent) -> None:
    say.section(
        "3. The primary dies in the middle of an answer",
        """It is well again, Carol (a client of the legacy era) opens a session there, and Alice calls for a report.
        Then: kill -9. Nobody can know how far the tool got, so nobody does it again.""",
    )
    before = alice.left["calls"]
    say.line(f"\n  Carol's session lives at {carol.call('which_replica')}")
    report = alice.begin("write_report", call="report-3", steps=PAGES, held=True)
    say.line(f"  Alice reads      {report.event()}")
    scene.primary.kill()
    say.line(f"  kill -9          {scene.primary.name}")
    error = error_of(report.result)
    say.line(f"  Alice gets       {error}")
    say.line(f"  and goes on      {insist(alice, 'order-3')[0]}\n")
    say.check(error is not None, "the agent got an error, not silence")
    executed(say, scene, "report-3", ["primary"])
    say.check(scene.ledger.ended("report-3") == [], "which nobody finished")
    executed(say, scene, "order-3", ["backup"])
    spent = before - alice.left["calls"]
    say.check(spent == 2, "Alice was charged two calls: the broken one, and the next", spent)


def session_of_the_dead(say: Transcript, scene: Picture, carol: Agent) -> None:
    say.section(
        "4. A session whose server is gone",
        """A legacy session lives in one server. Carol's is dead: she gets 404, upon which clients start over. The
        session she opens at the backup stays there, also when the primary is back.""",
    )
    error = error_of(lambda: carol.call("place_order", call="order-4"))
    rows: list[list[Any]] = [["Carol places order-4", carol.statuses[-1], error]]
    gone = carol.statuses[-1] == 404
    carol.start_over()
    rows += [["starts over, and again", carol.statuses[-1], carol.call("place_order", call="order-4")]]
    scene.heal()
    rows += [["the primary is back", "", scene.primary.name]]
    with scene.agent("dave") as dave:
        newcomer = dave.call("which_replica")
    where = carol.call("which_replica")
    rows += [["Dave comes anew", "", f"served by {newcomer}"], ["Carol goes on", "", f"served by {where}"]]
    carol.call("send_news", call="bulletin", count=1)
    rows += [["on her session's own stream", "", carol.news.get(timeout=5)]]
    say.line()
    say.table([], rows)
    say.line()
    say.check(gone, "the session of a dead server is 404", carol.statuses)
    executed(say, scene, "order-4", ["backup"])
    say.check((newcomer, where) == (scene.primary.name, "backup"), "each is where they should be", where)


def executed(say: Transcript, scene: Picture, call: str, servers: list[str]) -> None:
    """Whether these executed it, as they wrote it down."""
    seen = [name.partition("-")[0] for name in scene.ledger.began(call)]
    say.check(seen == servers, f"the ledger: {call} was executed once, by the {servers[0]}", seen)


def insist(agent: Agent, call: str) -> tuple[str, int]:
    """Places an order until it is answered; the answer, and how often there was an error instead."""
    for failures in range(MOST_ATTEMPTS):
        try:
            return agent.call("place_order", call=call), failures
        except MCPError:
            continue
    return "never placed", MOST_ATTEMPTS


def error_of(action: Any) -> str | None:
    try:
        action()
    except MCPError as error:
        return f'an error: "{error.error.message}"'
    return None


def served(scene: Picture, entry: dict[str, Any]) -> list[object]:
    """An entry of the access log: what was asked, the status, and who answered at which attempt."""
    what = entry["method"] or entry["http"]
    name = f" {entry['name']}" if entry["name"] else ""
    role = scene.role(entry["upstream"])
    again = ", asked second" if entry["attempts"] == 2 else ""
    return [what + name, entry["status"], f"{role}{again}" if role else "the gateway itself"]
