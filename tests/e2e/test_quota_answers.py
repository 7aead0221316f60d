"""What an answer costs at a real Envoy, however it ends, and what counting it does to it: nothing."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.client import IncompleteRead

import pytest

from e2e.envoy import Envoy
from e2e.messages import call, call_headers, legacy_call
from e2e.quota import (
    QUOTA_YAML,
    Metered,
    answering,
    bearer,
    is_refused,
    limit,
    limited_by,
    result,
    words,
)
from e2e.raw import HOST, Connection, post, request_head
from e2e.upstream import Exchange, ScriptedUpstream

PATIENCE = 5.0
RESERVED = 300
WORDS = "The answer is forty-two, and nobody remembers what the question was."

LIMITS = [
    limit("requests", "requests", 1000),
    limit("tokens", "output_tokens", 1_000_000, reserve=RESERVED),
    limit("hard", "output_tokens", 400, hard=True),
    limit("slots", "concurrent", 2),
    limit("addresses", "requests", 1, key=("ip",)),
]


@pytest.fixture(scope="module")
def metered(packaging: str) -> Iterator[Metered]:
    edit = limited_by(*LIMITS, remaining_headers=True)
    with ScriptedUpstream() as upstream:
        ports = {"mcp_servers": [upstream.port]}
        with Envoy(QUOTA_YAML, upstreams=ports, edit=edit, concurrency=2) as envoy:
            yield Metered(envoy, upstream)


def event(message: bytes) -> bytes:
    return b"event: message\ndata: " + message + b"\n\n"


def asking(text: str) -> bytes:
    """An event in which the server asks the client's model, which costs tokens before there is a result."""
    message = {"role": "user", "content": {"type": "text", "text": text}}
    params = {"messages": [message], "maxTokens": 100}
    ask = {"jsonrpc": "2.0", "id": 7, "method": "sampling/createMessage", "params": params}
    return event(json.dumps(ask).encode())


def streaming(*events: bytes) -> Callable[[Exchange], None]:
    def answer(exchange: Exchange) -> None:
        exchange.start_events()
        for one in events:
            exchange.send_chunk(one)
        exchange.end_chunks()

    return answer


def test_a_document_and_a_stream_with_the_same_result_cost_the_same(metered: Metered) -> None:
    metered.call("tokens-document", answering(WORDS))
    metered.call("tokens-stream", streaming(b": hello\n\n", event(result(WORDS))))
    cost = metered.spent("tokens-document")
    assert 5 < cost < RESERVED, "and not what was reserved"
    assert metered.spent("tokens-stream") == cost


def test_a_client_that_leaves_is_charged_what_passed(metered: Metered) -> None:
    metered.call("tokens-part", streaming(asking(WORDS)))
    metered.call("tokens-whole", streaming(asking(WORDS), event(result(WORDS))))

    def answer(exchange: Exchange) -> None:
        exchange.start_events()
        exchange.send_chunk(asking(WORDS))
        exchange.peer_closes_within(PATIENCE)

    def leave() -> None:
        metered.upstream.answer = answer
        with Connection(metered.port) as client:
            client.post(call("add"), [*call_headers("add"), bearer("tokens-left")])
            assert client.head().read1() == asking(WORDS)

    leave()
    metered.await_quiet()
    assert 0 < metered.spent("tokens-left") == metered.spent("tokens-part") < metered.spent("tokens-whole")


def test_a_client_that_leaves_before_the_answer_is_charged_for_the_request_alone(metered: Metered) -> None:
    arrived = threading.Event()

    def answer(exchange: Exchange) -> None:
        arrived.set()
        exchange.peer_closes_within(PATIENCE)

    def leave(tenant: str) -> None:
        arrived.clear()
        metered.upstream.answer = answer
        with Connection(metered.port) as client:
            client.post(call("add"), [*call_headers("add"), bearer(tenant)])
            assert arrived.wait(PATIENCE)

    leave("tokens-gone")
    leave("requests-gone")
    metered.await_quiet()
    assert metered.spent("tokens-gone") == 0
    assert metered.spent("requests-gone") == 1


def test_a_stream_that_breaks_off_is_charged_as_far_as_it_came(metered: Metered) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start_events()
        exchange.send_chunk(asking(WORDS))
        raise ConnectionError("the script ends the connection in the middle of the body")

    metered.call("tokens-unbroken", streaming(asking(WORDS)))
    metered.upstream.answer = answer
    with Connection(metered.port) as client:
        client.post(call("add"), [*call_headers("add"), bearer("tokens-broken")])
        response = client.head()
        assert response.read1() == asking(WORDS)
        with pytest.raises((IncompleteRead, ConnectionError)):
            response.read()
    metered.await_quiet()
    assert metered.spent("tokens-broken") == metered.spent("tokens-unbroken")


def unavailable(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy")


def reset(_: Exchange) -> None:
    raise ConnectionError("the script ends the connection before the answer")


@pytest.mark.parametrize("failing", [unavailable, reset])
def test_what_the_upstream_fails_is_given_back(
    metered: Metered, failing: Callable[[Exchange], None]
) -> None:
    for unit in ("requests", "tokens"):
        tenant = f"{unit}-{failing.__name__}"
        assert metered.call(tenant, answering(WORDS)).status == 200
        before = metered.spent(tenant)
        for _ in range(3):
            assert metered.call(tenant, failing).status == 503
        assert metered.spent(tenant) == before > 0


def test_a_hard_limit_ends_a_stream_with_an_error_for_the_call(metered: Metered) -> None:
    """The client reads it while the server would still go on."""
    told = threading.Event()

    def answer(exchange: Exchange) -> None:
        exchange.start_events()
        exchange.send_chunk(asking(WORDS))
        exchange.send_chunk(asking(WORDS * 100))
        assert told.wait(PATIENCE)
        exchange.send_chunk(event(result("too late")))
        exchange.end_chunks()

    metered.upstream.answer = answer
    with Connection(metered.port) as client:
        client.post(call("add", id="c-1"), [*call_headers("add"), bearer("hard-stream")])
        response = client.head()
        heard = b""
        while b"Quota exceeded" not in heard:
            heard += response.read1()
        told.set()
        heard += response.read()
    first, _, rest = heard.partition(b"\n\n")
    assert first + b"\n\n" == asking(WORDS), "what is within the limit passes as it was"
    [data] = [line.removeprefix(b"data: ") for line in rest.splitlines() if line.startswith(b"data:")]
    error = json.loads(data)
    assert error["id"] == "c-1"
    assert error["error"]["data"]["policy"] == "hard"
    assert is_refused(metered.call("hard-stream", answering("more"))), "the server had said it"


@pytest.mark.parametrize("tenant", ["tokens-time", "hard-time"])
def test_counting_delays_no_event(metered: Metered, tenant: str) -> None:
    """The second event is sent only once the first was seen."""
    events = 10
    seen = threading.Semaphore(0)

    def answer(exchange: Exchange) -> None:
        exchange.start_events()
        for number in range(events):
            exchange.send_chunk(b"data: %d\n\n" % number)
            assert seen.acquire(timeout=PATIENCE), f"event {number} did not arrive"
        exchange.end_chunks()

    index = len(metered.upstream.requests())
    metered.upstream.answer = answer
    arrived: list[float] = []
    with Connection(metered.port) as client:
        client.post(call("add"), [*call_headers("add"), bearer(tenant)])
        response = client.head()
        for number in range(events):
            assert response.read1(1000) == b"data: %d\n\n" % number
            arrived.append(time.monotonic())
            seen.release()
        assert response.read() == b""
    sent = metered.upstream.exchange(index).sent_at[1 : events + 1]
    assert max(there - here for here, there in zip(sent, arrived, strict=True)) < 1.0


def test_a_counted_stream_is_byte_identical_in_pieces(metered: Metered) -> None:
    """In the very pieces that it came in: an event is not held until it is whole."""
    seen = threading.Semaphore(0)
    pieces = [
        b": c\r\n\r\nda",
        b'ta: {"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","cont',
        b'ent":[]}}\n\n',
    ]

    def answer(exchange: Exchange) -> None:
        exchange.start_events()
        for piece in pieces:
            exchange.send_chunk(piece)
            assert seen.acquire(timeout=PATIENCE), "a part of an event was held"
        exchange.end_chunks()

    metered.upstream.answer = answer
    with Connection(metered.port) as client:
        client.post(call("add"), [*call_headers("add"), bearer("tokens-pieces")])
        response = client.head()
        for piece in pieces:
            assert response.read1(1000) == piece
            seen.release()


def test_compression_is_declined_where_the_answer_is_read_and_else_left_alone(metered: Metered) -> None:
    body = gzip.compress(result(WORDS))
    metered.upstream.answer = lambda exchange: exchange.send_json(body, b"content-encoding: gzip")
    for tenant, accepted in [("tokens-coding", None), ("requests-coding", b"gzip, br")]:
        index = len(metered.upstream.requests())
        headers = [bearer(tenant), ("accept-encoding", "gzip, br")]
        assert post(metered.port, legacy_call("add"), headers).body == body, "as it was sent"
        assert metered.upstream.exchange(index).request.header("accept-encoding") == accepted
    # A server that compresses all the same is charged what was reserved.
    assert metered.spent("tokens-coding") == RESERVED


def test_a_stream_holds_its_slot_until_its_client_leaves(metered: Metered) -> None:
    def hold(exchange: Exchange) -> None:
        exchange.start_events()
        exchange.send_chunk(b": open\n\n")
        exchange.peer_closes_within(10)

    def listen() -> Connection:
        client = Connection(metered.port)
        headers = [HOST, ("accept", "text/event-stream"), bearer("slots")]
        client.send(request_head("GET", headers))
        assert client.head().read1() == b": open\n\n"
        return client

    metered.upstream.answer = hold
    with listen(), listen() as second:
        third = metered.call("slots", answering(WORDS))
        assert is_refused(third)
        assert "slots allows 2 concurrent" in words(third)
        second.close()
        deadline = time.monotonic() + PATIENCE
        while is_refused(metered.call("slots", answering(WORDS))):
            assert time.monotonic() < deadline, "the slot was not freed"
            time.sleep(0.02)
        metered.upstream.answer = hold
        with listen():
            assert is_refused(metered.call("slots", answering(WORDS))), "there are no more than before"


def test_each_address_has_a_count_of_its_own(metered: Metered) -> None:
    metered.upstream.answer = answering(WORDS)

    def refused(source: str) -> bool:
        with Connection(metered.port, source=source) as connection:
            connection.post(call("add"), [*call_headers("add"), bearer("addresses")])
            return is_refused(connection.answer())

    assert [refused("127.0.0.1"), refused("127.0.0.2")] == [False, False]
    assert [refused("127.0.0.1"), refused("127.0.0.2")] == [True, True]
