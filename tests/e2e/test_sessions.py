"""The life of a legacy session on real servers: its own stream, resuming a broken one, ending it; cancellation."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from e2e.envoy import Envoy
from e2e.event_stream import STREAM, events, message
from e2e.legacy import LegacySession
from e2e.messages import MODERN, call, call_headers, legacy_call, modern, modern_headers, session_headers
from e2e.raw import HOST, Connection, request_head, send
from e2e.servers import McpServer

WAIT_SECONDS = 5.0


def await_true(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in {WAIT_SECONDS:g} s"
        time.sleep(0.02)


@pytest.fixture(params=["gateway", "typescript_gateway"])
def either(packaging: str, request: pytest.FixtureRequest) -> Envoy:
    """The gateway in front of the Python server, and of the TypeScript server."""
    return request.getfixturevalue(request.param)


def test_notifications_arrive_on_the_sessions_own_stream(gateway: Envoy) -> None:
    session = LegacySession.open(gateway.port)
    with Connection(gateway.port) as listener:
        listener.send(request_head("GET", [HOST, STREAM, *session_headers(session.id)]))
        response = listener.head()
        assert (response.status, response.getheader("content-type")) == (200, "text/event-stream")
        assert response.getheader("mcp-session-id") == session.id
        assert session.text("announce") == "announced"
        methods = (message(event).get("method") for event in events(response))
        assert next(name for name in methods if name) == "notifications/tools/list_changed"


def test_broken_stream_is_resumed_after_its_last_event(gateway: Envoy) -> None:
    session = LegacySession.open(gateway.port)
    with Connection(gateway.port) as caller:
        request = legacy_call("break_stream", id=42)
        request["params"]["_meta"] = {"progressToken": "p"}
        caller.post(request, session_headers(session.id))
        first = list(events(caller.head()))
    assert message(first[0]) == {}, "the priming event, which carries only an id, must arrive"
    assert message(first[-1])["params"]["message"] == "before the break"
    with Connection(gateway.port) as resumer:
        headers = [HOST, STREAM, *session_headers(session.id), ("last-event-id", first[-1]["id"])]
        resumer.send(request_head("GET", headers))
        rest = events(resumer.head())
        replayed = [found for found in (message(next(rest)) for _ in range(3)) if found][:2]
    assert replayed[0]["params"]["message"] == "after the break"
    assert (replayed[1]["id"], replayed[1]["result"]["content"][0]["text"]) == (42, "resumed")


def test_network_that_breaks_loses_no_event(typescript_gateway: Envoy) -> None:
    """The client's connection is gone in the middle of a call; what it missed is on the stream it resumes."""
    session = LegacySession.open(typescript_gateway.port)
    request = legacy_call("trigger-long-running-operation", {"duration": 1, "steps": 5}, id=42)
    request["params"]["_meta"] = {"progressToken": "p"}
    with Connection(typescript_gateway.port) as caller:
        caller.post(request, session_headers(session.id))
        last = next(
            event for event in events(caller.head()) if message(event).get("params", {}).get("progress") == 2
        )
    time.sleep(1.5)  # this server replays what it stored, and what comes later is lost to it
    with Connection(typescript_gateway.port) as resumer:
        headers = [HOST, STREAM, *session_headers(session.id), ("last-event-id", last["id"])]
        resumer.send(request_head("GET", headers))
        stream = (message(event) for event in events(resumer.head()))
        missed = [next(stream) for _ in range(4)]
    assert [note["params"]["progress"] for note in missed[:3]] == [3, 4, 5]
    assert missed[3]["id"] == 42 and "completed" in missed[3]["result"]["content"][0]["text"]


def test_deleted_session_is_ended_on_the_server(either: Envoy) -> None:
    session = LegacySession.open(either.port)
    assert session.delete().status == 200
    after = session.post(legacy_call("echo", {"message": "hello"}))
    assert after.status in {400, 404}, "each server's own answer"


def test_streams_of_unknown_sessions_are_refused(either: Envoy) -> None:
    headers = [STREAM, *session_headers("s1.bm90LWEtc2Vzc2lvbg")]
    answer, [entry] = either.logged(lambda: send(either.port, "GET", headers))
    assert (answer.status, entry["upstream"]) == (404, None)


def test_modern_client_that_hangs_up_cancels_the_call(gateway: Envoy, python_server: McpServer) -> None:
    cancelled = python_server.log_text().count("wait_for_cancel: cancelled")
    with Connection(gateway.port) as caller:
        request = call("wait_for_cancel")
        request["params"]["_meta"]["progressToken"] = "p"
        caller.post(request, call_headers("wait_for_cancel"))
        assert message(next(events(caller.head())))["method"] == "notifications/progress"
    await_true(
        lambda: python_server.log_text().count("wait_for_cancel: cancelled") > cancelled, "cancellation"
    )


def test_legacy_call_is_cancelled_by_a_notification(gateway: Envoy, python_server: McpServer) -> None:
    """A legacy client that hangs up may come back; cancelling is a message of its own."""
    session = LegacySession.open(gateway.port)
    log = python_server.log_text
    started, cancelled = log().count("wait_for_cancel: started"), log().count("wait_for_cancel: cancelled")
    with Connection(gateway.port) as caller:
        caller.post(legacy_call("wait_for_cancel", id=9), session_headers(session.id))
        await_true(lambda: log().count("wait_for_cancel: started") > started, "the start")
        notification = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}}
        assert session.post(notification).status == 202
        await_true(lambda: log().count("wait_for_cancel: cancelled") > cancelled, "cancellation")


def test_modern_subscription_delivers_changes_while_it_is_open(gateway: Envoy) -> None:
    with Connection(gateway.port) as listener:
        wanted = modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, id="sub")
        listener.post(wanted, modern_headers("subscriptions/listen"))
        stream = events(listener.head())
        assert message(next(stream))["method"] == "notifications/subscriptions/acknowledged"
        with Connection(gateway.port) as caller:
            caller.post(call("announce"), call_headers("announce"))
            assert caller.answer().status == 200
        assert message(next(stream))["method"] == "notifications/tools/list_changed"


def test_legacy_body_under_modern_headers_is_refused(gateway: Envoy) -> None:
    """Header-based policy would have seen a harmless method."""
    session = LegacySession.open(gateway.port)
    smuggled = [
        ("mcp-session-id", session.id),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/list"),
    ]
    with Connection(gateway.port) as caller:
        caller.post(legacy_call("add", {"a": 1, "b": 2}), smuggled)
        answer = caller.answer()
    assert (answer.status, answer.error_code) == (400, -32602)
