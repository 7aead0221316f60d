"""The oracle sees what is wrong, and excuses nothing but what a death explains."""

from __future__ import annotations

from dataclasses import replace

import pytest

from soak.exchange import Death, Exchange, Kind
from soak.memory import MIB, Memory
from soak.oracle import Fault, Oracle, Outcome

DEATH = Death("primary", 100.0, 100.1)
BEFORE, DURING, AFTER = (90.0, 95.0), (99.0, 100.2), (110.0, 115.0)


def exchange(kind: Kind, when: tuple[float, float] = BEFORE, **more: object) -> Exchange:
    return replace(Exchange("c", kind, *when, status=200), **more)


ORDER = exchange(Kind.ORDER, text="c was placed at primary")
REPORT = exchange(
    Kind.REPORT,
    wanted=3,
    text="c has 3 pages, written at primary",
    events=tuple(f"c page {number} at primary" for number in (1, 2, 3)),
)
NEWS = exchange(
    Kind.NEWS,
    wanted=2,
    text="c sent 2 from primary",
    events=("c news 1 from primary", "c news 2 from primary"),
    home="primary",
)
LIST = exchange(Kind.LIST, text="lists")
SESSION_LIST = exchange(Kind.LIST, text="lists", home="primary")
NOBODY = exchange(Kind.NOBODY, status=401)
OVER = exchange(Kind.OVER, text="Quota exceeded: bounded allows 3")
ONCE = ["primary"]
BROKEN = replace(REPORT, text="", events=REPORT.events[:1])
"""The report whose stream broke off after its first event."""


def judge(
    found: Exchange, executed: list[str] | None = None, served: str | None = "primary"
) -> Fault | Outcome:
    verdict = Oracle([DEATH], {"c": executed or []}, {"c": served}).judge([found])
    if verdict.faults:
        [(fault, _, why)] = verdict.faults
        assert why, "it says what it saw"
        return fault
    [outcome] = verdict.outcomes
    return outcome


def at(when: tuple[float, float], found: Exchange) -> Exchange:
    return replace(found, began=when[0], ended=when[1])


@pytest.mark.parametrize("found", [ORDER, REPORT, NEWS])
def test_what_one_server_did_and_answered_is_right(found: Exchange) -> None:
    assert judge(found, ONCE) is Outcome.ANSWERED


@pytest.mark.parametrize("found", [LIST, SESSION_LIST])
def test_a_list_is_right(found: Exchange) -> None:
    assert judge(found) is Outcome.ANSWERED


@pytest.mark.parametrize(
    ("found", "executed"),
    [
        (replace(ORDER, text="d was placed at primary"), ONCE),
        (replace(ORDER, text="c was placed at backup"), ONCE),
        (ORDER, []),
        (replace(LIST, text="lists without {'add'}"), []),
        (replace(NEWS, home="backup"), ONCE),
        (replace(NOBODY, status=200, text="c was placed at primary"), ONCE),
        (OVER, ONCE),
        (replace(OVER, text="c was placed at primary"), []),
    ],
    ids=[
        "other call",
        "other server",
        "by nobody",
        "list",
        "other session",
        "nobody",
        "over, done",
        "over, answered",
    ],
)
def test_a_wrong_answer_is_one_at_any_time(found: Exchange, executed: list[str]) -> None:
    served = None if found.kind is Kind.OVER else "primary"
    for when in (BEFORE, DURING, AFTER):
        assert judge(at(when, found), executed, served) is Fault.WRONG


@pytest.mark.parametrize("executed", [["primary", "backup"], ["primary", "primary"]])
@pytest.mark.parametrize("found", [ORDER, BROKEN])
def test_twice_is_never_excused(found: Exchange, executed: list[str]) -> None:
    assert judge(at(DURING, found), executed) is Fault.TWICE


@pytest.mark.parametrize(
    "events", [REPORT.events[:2], REPORT.events[1:], REPORT.events[::-1], REPORT.events * 2]
)
def test_a_stream_of_a_server_that_lived_is_whole_and_in_order(events: tuple[str, ...]) -> None:
    assert judge(replace(REPORT, events=events), ONCE) is Fault.LOST
    news = replace(NEWS, events=NEWS.events[:1])
    assert judge(news, ONCE) is Fault.LOST


def test_a_broken_stream_has_no_hole_even_if_its_server_died() -> None:
    assert judge(at(DURING, BROKEN), ONCE) is Outcome.BROKEN
    assert judge(at(DURING, replace(BROKEN, events=REPORT.events[1:2])), ONCE) is Fault.LOST
    assert judge(at(DURING, replace(NEWS, events=NEWS.events[:1])), ONCE) is Outcome.BROKEN


@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_a_failure_at_another_time_is_not_excused(when: tuple[float, float]) -> None:
    assert judge(at(when, BROKEN), ONCE) is Fault.UNEXPLAINED


def test_the_death_of_another_server_excuses_nothing() -> None:
    failed = at(DURING, replace(ORDER, status=503, text=""))
    assert judge(failed, [], "primary") is Outcome.BROKEN
    assert judge(failed, [], "backup") is Fault.UNEXPLAINED
    assert judge(failed, ["primary-2"], "primary") is Fault.UNEXPLAINED, "the one that has the name now"
    assert judge(failed, [], None) is Fault.UNEXPLAINED


def test_what_changes_nothing_is_answered_though_a_server_dies() -> None:
    assert judge(at(DURING, replace(LIST, status=503, text=""))) is Fault.UNEXPLAINED
    assert judge(at(DURING, replace(SESSION_LIST, status=503, text=""))) is Outcome.BROKEN


def test_a_session_is_gone_only_when_its_server_is() -> None:
    gone = replace(SESSION_LIST, status=404, text="")
    assert judge(at(AFTER, gone), served="backup") is Outcome.GONE
    assert judge(at(BEFORE, gone), served="backup") is Fault.UNEXPLAINED
    assert judge(at(AFTER, replace(gone, home="backup"))) is Fault.UNEXPLAINED


def test_silence_is_never_excused() -> None:
    assert judge(at(DURING, replace(BROKEN, silent=True)), ONCE) is Fault.SILENT


def test_refusals_are_the_gateways_own() -> None:
    assert judge(NOBODY, served=None) is Outcome.REFUSED
    assert judge(OVER, served=None) is Outcome.REFUSED
    assert judge(NOBODY, served="primary") is Fault.WRONG
    assert judge(replace(NOBODY, status=503), served=None) is Fault.WRONG


def test_memory_that_grows_to_the_end_is_not_stable() -> None:
    steady = [(float(second), 100 * MIB + second % 7 * MIB // 4) for second in range(600)]
    filling = [(second, size + min(second, 200.0) * MIB // 10) for second, size in steady]
    leaking = [(second, size + int(second * MIB / 20)) for second, size in steady]
    assert Memory(steady).stable and Memory(filling).stable
    assert not Memory(leaking).stable
    assert Memory(leaking[:100]).stable and not Memory(leaking[:100]).judged, "too short to tell"
