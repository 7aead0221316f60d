"""Judges what came of each request, knowing which server had it and when that one died.

Whoever was served by a server that lived must have been answered, rightly, with every event in its order. A failure
is excused only by the death, while it was under way, of the server that had it: the one that wrote it into the
ledger, or else the one that the access log names. Nothing may be executed twice, and nothing that was refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from soak.exchange import ANONYMOUS, EXECUTED, REFUSED, Death, Exchange, Kind, role

NOTICE_SECONDS = 1.0
"""How long after a death a connection to the dead may still be given a request, on a busy machine."""


class Outcome(StrEnum):
    ANSWERED = "answered"
    REFUSED = "refused, as they should be"
    BROKEN = "failed with the server that died"
    GONE = "session gone with its server"


class Fault(StrEnum):
    WRONG = "wrong answers"
    LOST = "lost or reordered events"
    TWICE = "executed more than once"
    UNEXPLAINED = "failures that nothing explains"
    SILENT = "no answer and no error"


@dataclass
class Verdict:
    """What was seen in all, and what should not have been."""

    kinds: Counter[Kind] = field(default_factory=Counter)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    events: int = 0
    faults: list[tuple[Fault, Exchange, str]] = field(default_factory=list)

    def count(self, fault: Fault) -> int:
        return sum(found is fault for found, _, _ in self.faults)


class Oracle:
    """`began` has the servers that executed each call, once for each time; `served` the role of the server that the
    access log names for it, if it names one."""

    def __init__(
        self, deaths: Sequence[Death], began: Mapping[str, Sequence[str]], served: Mapping[str, str | None]
    ) -> None:
        self._deaths = deaths
        self._began = began
        self._served = served

    def judge(self, exchanges: Iterable[Exchange]) -> Verdict:
        verdict = Verdict()
        for exchange in exchanges:
            verdict.kinds[exchange.kind] += 1
            verdict.events += len(exchange.events)
            found = self._outcome(exchange)
            if isinstance(found, Outcome):
                verdict.outcomes[found] += 1
            else:
                verdict.faults.append((found[0], exchange, found[1]))
        return verdict

    def _outcome(self, exchange: Exchange) -> Outcome | tuple[Fault, str]:
        executed = self._began.get(exchange.call, [])
        if len(executed) > 1:
            return Fault.TWICE, f"by {', '.join(executed)}"
        if exchange.silent:
            return Fault.SILENT, f"status {exchange.status}, {len(exchange.events)} events"
        if exchange.kind in REFUSED:
            return self._refused(exchange, executed)
        if exchange.text:
            return self._answered(exchange, executed)
        return self._failed(exchange, executed)

    def _refused(self, exchange: Exchange, executed: Sequence[str]) -> Outcome | tuple[Fault, str]:
        if executed or self._served.get(exchange.call) is not None:
            return Fault.WRONG, "reached a server"
        right = exchange.kind is not Kind.OVER or exchange.text.startswith("Quota exceeded")
        if exchange.status != REFUSED[exchange.kind] or not right:
            return Fault.WRONG, f"status {exchange.status}, {exchange.text!r}"
        return Outcome.REFUSED

    def _answered(self, exchange: Exchange, executed: Sequence[str]) -> Outcome | tuple[Fault, str]:
        server = exchange.text.rpartition(" ")[2]
        if exchange.kind in EXECUTED and list(executed) != [server]:
            return Fault.WRONG, f"{exchange.text!r}, executed by {list(executed)}"
        if exchange.home not in (None, server) and exchange.kind not in ANONYMOUS:
            return Fault.WRONG, f"{exchange.text!r} in a session of {exchange.home}"
        if exchange.text != right_text(exchange, server):
            return Fault.WRONG, repr(exchange.text)
        return self._events(exchange, server) or Outcome.ANSWERED

    def _failed(self, exchange: Exchange, executed: Sequence[str]) -> Outcome | tuple[Fault, str]:
        if exchange.status == 404 and exchange.home is not None and not executed:
            if self._dead_by(exchange.home, exchange.ended):
                return Outcome.GONE
            return Fault.UNEXPLAINED, f"404, and {exchange.home} lives"
        if exchange.kind in (Kind.LIST, Kind.OPEN) and exchange.home is None and exchange.status >= 500:
            return Fault.UNEXPLAINED, f"status {exchange.status}, and one server was there to ask again"
        server = executed[0] if executed else self._served.get(exchange.call)
        if server is None or not self._died_during(server, exchange):
            return Fault.UNEXPLAINED, f"status {exchange.status}, had by {server}, which lived"
        wrong = self._events(exchange, server) if executed else None
        return wrong if isinstance(wrong, tuple) else Outcome.BROKEN

    def _events(self, exchange: Exchange, server: str) -> Outcome | tuple[Fault, str] | None:
        """What is wrong with the events, if anything; some may be missing if the server died."""
        right = right_events(exchange, server)
        if exchange.events == right:
            return None
        came = len(exchange.events)
        if exchange.events == right[:came] and self._died_during(server, exchange):
            return Outcome.BROKEN
        return Fault.LOST, f"{came} of {len(right)}: {exchange.events}"

    def _died_during(self, server: str, exchange: Exchange) -> bool:
        """Whether the server of that name, or any of that role, died while the exchange was under way."""
        return any(
            server in (death.server, role(death.server))
            and death.began <= exchange.ended
            and exchange.began <= death.ended + NOTICE_SECONDS
            for death in self._deaths
        )

    def _dead_by(self, server: str, when: float) -> bool:
        return any(death.server == server and death.began <= when for death in self._deaths)


def right_text(exchange: Exchange, server: str) -> str:
    """What this server must answer."""
    texts = {
        Kind.ORDER: f"{exchange.call} was placed at {server}",
        Kind.REPORT: f"{exchange.call} has {exchange.wanted} pages, written at {server}",
        Kind.NEWS: f"{exchange.call} sent {exchange.wanted} from {server}",
    }
    if exchange.kind in ANONYMOUS:
        return str(exchange.kind)
    return texts.get(exchange.kind, f"{exchange.kind} at {server}")


def right_events(exchange: Exchange, server: str) -> tuple[str, ...]:
    """The events that this server must send."""
    words = {Kind.REPORT: ("page", "at"), Kind.NEWS: ("news", "from")}
    if exchange.kind not in words:
        return ()
    noun, preposition = words[exchange.kind]
    numbers = range(1, exchange.wanted + 1)
    return tuple(f"{exchange.call} {noun} {number} {preposition} {server}" for number in numbers)
