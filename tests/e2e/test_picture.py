"""The picture: an agent signs in, calls through every filter, and is served while servers are overloaded and die.

Real Envoy with envoy/gateway.yaml, a real authorization server, real MCP servers and clients. What was executed is
in the ledger that the servers write, whatever the clients were told.
"""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from typing import Any

import pytest
from mcp import MCPError

from e2e.agent import Agent
from e2e.browser import Browser
from e2e.event_stream import STREAM, events, message
from e2e.legacy import LegacySession
from e2e.messages import session_headers
from e2e.picture import Picture, await_true, metric, picture
from e2e.raw import HOST, Connection, TextHeader, request_head
from e2e.test_oauth import TOURISTS, Tourist

ERAS = ["auto", "legacy"]
MOST_ATTEMPTS = 200
"""By then Envoy has taken out a server that answers nothing but 503, how ever busy the machine is."""
RESERVE = 500
"""Tokens that gateway.yaml sets aside for each call that is under way."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Picture]:
    with picture(tmp_path_factory.mktemp("picture")) as running:
        yield running


@pytest.fixture
def scene(whole: Picture) -> Picture:
    """All parts, well; they are healed by whoever comes next."""
    whole.heal()
    return whole


def bearer(scene: Picture) -> TextHeader:
    return "authorization", f"Bearer {scene.authorization.token()}"


def log_of(scene: Picture, method: str) -> list[tuple[int, str | None, int]]:
    """Status, server and attempts of each request of that method in the access log."""
    entries = [entry for entry in scene.gateway.settled_log() if entry["method"] == method]
    return [(entry["status"], scene.role(entry["upstream"]), entry["attempts"]) for entry in entries]


def fails(agent: Agent, tool: str, **arguments: Any) -> int:
    """The status of a call that gets an error."""
    with pytest.raises(MCPError):
        agent.call(tool, **arguments)
    return agent.statuses[-1]


def insist(agent: Agent, call: str) -> str:
    """Places an order until it is answered with anything but 503."""
    for _ in range(MOST_ATTEMPTS):
        try:
            return agent.call("place_order", call=call)
        except MCPError:
            assert agent.statuses[-1] == 503
    raise AssertionError(f"not answered in {MOST_ATTEMPTS} attempts")


@pytest.mark.parametrize("mode", ERAS)
def test_events_arrive_while_the_tool_is_still_at_work(scene: Picture, mode: str) -> None:
    call = f"well-{mode}"
    with scene.agent(f"ann-{mode}", mode) as agent:
        assert agent.statuses[0] == 401 and len(agent.pages) == 1, "signed in once"
        report = agent.begin("write_report", call=call, steps=3, held=True)
        assert report.event() == f"{call} page 1 at {scene.primary.name}"
        assert not report.answer.done() and scene.ledger.ended(call) == []
        scene.ledger.let_go(call)
        assert [report.event(), report.event()] == [
            f"{call} page {n} at {scene.primary.name}" for n in (2, 3)
        ]
        assert report.result() == f"{call} has 3 pages, written at {scene.primary.name}"
    assert scene.ledger.began(call) == [scene.primary.name]


@pytest.mark.parametrize("tourist", [TOURISTS[1], TOURISTS[3], TOURISTS[5]], ids=str)
def test_other_official_clients_are_served_as_well(scene: Picture, tourist: Tourist) -> None:
    call = f"tour-{tourist}"
    steps: list[dict[str, Any]] = [
        {"tool": "place_order", "arguments": {"call": f"{call}-order"}},
        {"tool": "write_report", "arguments": {"call": call, "steps": 2}},
    ]
    texts, asked = tourist.tour(scene.gateway.url, steps, Browser("tess"))
    assert texts[1] == f"{call} has 2 pages, written at {scene.primary.name}"
    assert len(asked) == 1
    assert scene.ledger.began(call) == scene.ledger.began(f"{call}-order") == [scene.primary.name]


@pytest.mark.parametrize(("mode", "greeting"), [("auto", "server/discover"), ("legacy", "initialize")])
def test_what_changes_nothing_is_answered_by_the_backup_at_once(
    scene: Picture, mode: str, greeting: str
) -> None:
    with scene.primary.overloaded(), scene.agent(f"ben-{mode}", mode) as agent:
        assert agent.server == scene.backup.name
        assert "place_order" in agent.list_tools()
        assert set(agent.statuses) <= {401, 200, 202}, "the client saw no trouble"
    assert log_of(scene, greeting)[-1] == (200, "backup", 2)
    # A session goes to its own server and to no other.
    assert log_of(scene, "tools/list")[-1] == (200, "backup", 2 if mode == "auto" else 1)


def test_a_tool_is_called_once_though_the_primary_is_overloaded(scene: Picture) -> None:
    with scene.agent("carl") as agent:
        agent.call("place_order", call="carl-1")
        before = agent.left["calls"]
        with scene.primary.overloaded():
            assert fails(agent, "place_order", call="carl-2") == 503
            assert scene.ledger.began("carl-2") == [], "nobody was asked to do it after all"
            # The agent tries again, until Envoy has seen enough of the primary.
            answer = insist(agent, "carl-2")
        assert answer == f"carl-2 was placed at {scene.backup.name}"
        assert scene.ledger.began("carl-2") == [scene.backup.name]
        assert before - agent.left["calls"] == 1, "what was answered 503 costs nothing"


@pytest.mark.parametrize("mode", ERAS)
def test_a_call_ends_with_an_error_when_the_primary_dies(scene: Picture, mode: str) -> None:
    call = f"dying-{mode}"
    cut = metric(scene.gateway, "mcp_sse_streams", outcome="cut")
    with scene.agent(f"dora-{mode}", mode) as agent:
        agent.list_tools()
        agent.call("place_order", call=f"{call}-before")
        before = agent.left
        report = agent.begin("write_report", call=call, steps=3, held=True)
        assert report.event() == f"{call} page 1 at {scene.primary.name}"
        died = scene.primary.name
        scene.primary.kill()
        with pytest.raises(MCPError):
            report.result()
        assert scene.ledger.began(call) == [died], "nobody began it anew"
        assert scene.ledger.ended(call) == []

        if mode == "legacy":
            assert fails(agent, "place_order", call=f"{call}-after") == 404
            assert scene.ledger.began(f"{call}-after") == []
            agent.start_over()
        assert (
            agent.call("place_order", call=f"{call}-after")
            == f"{call}-after was placed at {scene.backup.name}"
        )
        # The broken call and the one after; what is answered 404 is charged as well.
        assert before["calls"] - agent.left["calls"] == {"auto": 2, "legacy": 3}[mode]
        if mode == "auto":  # the other one asked for the catalogue again
            spent = before["tenant-tokens"] - agent.left["tenant-tokens"]
            assert 0 < spent < RESERVE, "what was set aside for the broken call was given back"
    await_true(
        lambda: metric(scene.gateway, "mcp_sse_streams", outcome="cut") > cut, "a stream was counted as cut"
    )


@pytest.mark.parametrize("mode", ERAS)
def test_a_call_that_was_not_answered_yet_is_not_made_again(scene: Picture, mode: str) -> None:
    """The primary dies at work, before the first byte of an answer."""
    call = f"mute-{mode}"
    with scene.agent(f"jan-{mode}", mode) as agent:
        agent.list_tools()
        order = agent.begin("place_order", call=call, pause_ms=60_000)
        await_true(lambda: scene.ledger.began(call) == [scene.primary.name], "the primary is at work")
        died = scene.primary.name
        scene.primary.kill()
        with pytest.raises(MCPError):
            order.result()
        assert scene.ledger.began(call) == [died]


@pytest.mark.parametrize("mode", ERAS)
def test_no_call_waits_for_a_server_that_is_gone(scene: Picture, mode: str) -> None:
    """Nobody listens at the primary, and no check has said so yet."""
    with scene.agent(f"eve-{mode}", mode) as agent:
        scene.primary.kill()
        if mode == "legacy":
            assert fails(agent, "place_order", call="eve-lost") == 404
            assert scene.ledger.began("eve-lost") == []
            agent.start_over()
        call = f"eve-{mode}"
        assert agent.call("place_order", call=call) == f"{call} was placed at {scene.backup.name}"
        assert scene.ledger.began(call) == [scene.backup.name]


def test_a_session_stays_with_the_backup_when_the_primary_is_back(scene: Picture) -> None:
    with scene.agent("fay", "legacy") as agent:
        assert agent.call("which_replica") == scene.primary.name
        scene.primary.kill()
        assert fails(agent, "which_replica") == 404
        agent.start_over()
        assert agent.call("which_replica") == scene.backup.name
        scene.heal()
        with scene.agent("fay") as another:
            assert another.call("which_replica") == scene.primary.name, "who comes anew is served there"
        assert agent.call("which_replica") == scene.backup.name
        assert agent.call("send_news", call="fay-1", count=2) == f"fay-1 sent 2 from {scene.backup.name}"
        assert [agent.news.get(timeout=5) for _ in range(2)] == [
            f"fay-1 news {number} from {scene.backup.name}" for number in (1, 2)
        ]


def test_a_session_of_a_former_primary_is_unknown_to_the_next(scene: Picture) -> None:
    with scene.agent("gil", "legacy") as agent:
        scene.primary.kill()
        scene.heal()
        assert fails(agent, "which_replica") == 404
        agent.start_over()
        assert agent.call("which_replica") == scene.primary.name


def listen(connection: Connection, session: LegacySession) -> HTTPResponse:
    """Opens the session's own stream."""
    connection.send(request_head("GET", [HOST, STREAM, *session_headers(session.id), *session.headers]))
    return connection.head()


def test_a_sessions_own_stream_ends_with_its_server(scene: Picture) -> None:
    session = LegacySession.open(scene.gateway.port, [bearer(scene)])
    with Connection(scene.gateway.port) as connection:
        stream = listen(connection, session)
        session.text("send_news", call="stream-1", count=1)
        arriving = (message(event) for event in events(stream))
        assert next(arriving)["params"]["data"] == f"stream-1 news 1 from {scene.primary.name}"
        scene.primary.kill()
        with pytest.raises((HTTPException, ConnectionError, StopIteration)):
            next(arriving)
    with Connection(scene.gateway.port) as connection:
        assert listen(connection, session).status == 404
    session = LegacySession.open(scene.gateway.port, [bearer(scene)])
    with Connection(scene.gateway.port) as connection:
        arriving = (message(event) for event in events(listen(connection, session)))
        session.text("send_news", call="stream-2", count=1)
        assert f"from {scene.backup.name}" in next(arriving)["params"]["data"]


def test_an_idle_connection_is_closed_by_the_gateway_first(scene: Picture) -> None:
    """If the server did, a call that is sent at that moment would be lost."""
    counter = "cluster.mcp_servers.upstream_cx_idle_timeout"
    before = scene.gateway.stats(f"^{counter}$").get(counter, 0)
    assert scene.asked() == scene.primary.name
    scene.gateway.await_stat(counter, lambda now: now > before, seconds=15)


def test_the_books_balance_after_a_bad_day(scene: Picture) -> None:
    """One agent from its first call to its last: what was executed is what was charged."""
    with scene.agent("hal") as agent:
        agent.call("place_order", call="hal-1")
        first = agent.left["calls"] + 1
        with scene.primary.overloaded():
            insist(agent, "hal-2")
        scene.heal()
        report = agent.begin("write_report", call="hal-3", steps=3, held=True)
        report.event()
        scene.primary.kill()
        with pytest.raises(MCPError):
            report.result()
        agent.call("place_order", call="hal-4")
        spent = first - agent.left["calls"]
    began = [line["call"] for line in scene.ledger.lines() if line["what"] == "began"]
    assert [call for call in began if call.startswith("hal-")] == ["hal-1", "hal-2", "hal-3", "hal-4"]
    assert spent == 4


def test_the_gateway_counted_all_of_it(scene: Picture) -> None:
    """Its metrics agree with its access log, over everything that happened to it so far."""
    with scene.agent("ida") as agent:
        agent.call("write_report", call="ida-1", steps=2)
    statuses = [status for status, _, _ in log_of(scene, "tools/call")]
    failed = sum(status >= 500 for status in statuses)

    def counted() -> dict[str, int]:
        units = {
            stage: metric(scene.gateway, "mcp_quota_units", limit="calls", stage=stage)
            for stage in ("reserved", "settled", "refunded")
        }
        return units | {"allowed": metric(scene.gateway, "mcp_quota_calls", limit="calls", outcome="allowed")}

    everything = len(statuses)
    expected = {
        "reserved": everything,
        "settled": everything - failed,
        "refunded": failed,
        "allowed": everything,
    }
    await_true(lambda: counted() == expected, f"{expected}, not {counted()}")
    assert metric(scene.gateway, "mcp_quota_unsettled") == 0
    # Each report was a stream, and the time to its first event is in one of the buckets.
    reports = [entry for entry in scene.gateway.access_log() if entry["name"] == "write_report"]
    await_true(
        lambda: metric(scene.gateway, "mcp_sse_first_event_milliseconds_count") >= len(reports),
        "the time to the first event of each report",
    )


def test_the_trace_shows_who_was_asked_and_who_answered(scene: Picture) -> None:
    since = len(scene.collector.spans())
    with scene.primary.overloaded(), scene.agent("tom") as agent:
        agent.list_tools()
        insist(agent, "traced")
    first, second = scene.attempts("tools/list", 2, since)
    assert first.trace == second.trace and first.parent == second.parent, "one request"
    attempts = [
        (scene.role(span.attributes["upstream_address"]), span.attributes["http.status_code"])
        for span in (first, second)
    ]
    assert attempts == [("primary", "503"), ("backup", "200")]
    whole = scene.collector.await_spans(1, since, lambda span: span.id == first.parent)[0]
    assert whole.start <= first.start <= first.end <= second.start <= second.end <= whole.end
    calls = scene.attempts("tools/call", 2, since)
    orders = [span for span in calls if span.attributes["gen_ai.tool.name"] == "place_order"]
    assert len({span.parent for span in orders}) == len(orders) > 1, "a tool is asked for once in a request"
    served = [span for span in orders if span.attributes["http.status_code"] == "200"]
    assert [scene.role(span.attributes["upstream_address"]) for span in served] == ["backup"]
