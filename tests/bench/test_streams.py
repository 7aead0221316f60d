"""What is measured of event streams, against servers of this process that do what goes wrong."""

import base64
import json
import os
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from bench import gateway, idle, large, memory, sse, streams
from bench.first_event import CHUNKS_END, Client, has_ended, has_event
from bench.fleet import UPSTREAM
from bench.load import LoadError, Post
from bench.memory import Memory
from bench.upstream import HoldingUpstream, answer_with, read_request
from bench.variants import ROUTER, SHIPPED
from e2e.envoy_config import EnvoyConfig

BODY = b'{"jsonrpc":"2.0"}'
EVENT = b"data: 1\n\n"
OPEN, OTHER = Post("/open", {"X-Number": "1"}, BODY), Post("/mcp", {}, BODY)
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@contextmanager
def serving(*answers: bytes) -> Iterator[str]:
    """The URL of a server that gives these answers, one a request, on one connection that it then closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            for answer in answers:
                assert read_request(connection) is not None
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    finally:
        thread.join()
        listener.close()


# What is sent


def test_a_long_stream_is_made_of_whole_events_and_has_one_result():
    chunks = streams.long(1_000_000)
    assert all(piece.endswith(b"\n\n") for piece in chunks)
    assert 800_000 < sum(map(len, chunks)) <= 1_000_000
    events = b"".join(chunks).split(b"\n\n")[:-1]
    messages = [json.loads(event.partition(b"data: ")[2]) for event in events]
    assert ["result" in message for message in messages] == [False] * (len(messages) - 1) + [True]


def test_a_notification_has_as_many_bytes_of_text():
    event = streams.notification(5000)
    assert event.endswith(b"\n\n")
    assert len(json.loads(event.partition(b"data: ")[2])["params"]["data"]) == 5000


def test_the_result_is_the_last_event_of_a_tool():
    assert streams.progress().endswith(b"\n\n" + streams.result())


def test_what_an_upstream_answers_keeps_its_last_empty_line():
    config = EnvoyConfig.load(UPSTREAM)
    answer_with(config, {"/event": EVENT})
    (host,) = config.connection_manager()["route_config"]["virtual_hosts"]
    assert base64.b64decode(host["routes"][0]["direct_response"]["body"]["inline_bytes"]) == EVENT


# What is compared


@pytest.fixture(scope="module")
def compared() -> sse.Compared:
    return sse.Compared(Path("nothing.wasm"))


def filters(compared: sse.Compared, name: str) -> EnvoyConfig:
    (variant,) = (variant for variant in compared.variants if variant.name == name)
    config = EnvoyConfig.load(SHIPPED)
    variant.edit(config)
    return config


def test_the_baseline_comes_first_and_ours_are_all_there(compared):
    names = [variant.name for variant in compared.variants]
    assert names[0] == ROUTER
    assert set(sse.OURS) <= set(names)


def test_the_native_filters_are_all_there_and_in_order(compared):
    names = [entry["name"].rpartition(".")[2] for entry in filters(compared, sse.NATIVE_SET).http_filters()]
    assert names == ["jwt_authn", "mcp", "local_ratelimit", "sse_to_metadata", "router"]


def test_all_filters_are_configured_as_shipped(compared):
    shipped = EnvoyConfig.load(gateway.SHIPPED).settings(gateway.SHIPPED_PLUGIN)
    measured = filters(compared, sse.ALL_FILTERS).settings("mcp_session")
    assert measured["session"] == shipped["session"] and measured["sse"] == shipped["sse"]
    assert measured["auth"]["rules"] == shipped["auth"]["rules"]
    assert [limit["unit"] for limit in measured["quota"]["limits"]] == ["requests", "tokens", "tokens"]
    assert measured["telemetry"] == shipped["telemetry"]
    assert measured["admission"] == shipped["admission"] | {"paths": list(sse.PATHS), "exports": []}


# Time to the first event


def test_an_event_has_come_with_its_empty_line_and_an_answer_with_its_end():
    chunked = HEAD + chunk(EVENT)
    assert [has_event(chunked[:end]) for end in range(len(chunked))] == [False] * (len(chunked) - 2) + [True] * 2
    whole = chunked + b"0\r\n\r\n"
    assert [has_ended(whole[:end]) for end in range(len(HEAD), len(whole))] == [False] * (len(whole) - len(HEAD))
    assert has_ended(whole)
    sized = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + EVENT
    assert has_event(sized) and has_ended(sized) and not has_ended(sized[:-1])


def test_a_client_asks_again_and_again_on_one_connection():
    whole = HEAD + chunk(EVENT) + b"0\r\n\r\n"
    with serving(whole, whole) as url, Client(url, OTHER) as client:
        assert [client.ask() > 0 for _ in range(2)] == [True, True]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 9\r\n\r\n" + EVENT, "401"),
        (HEAD + b"6\r\ndata:", "closed after"),
        (HEAD + chunk(EVENT), "closed after"),
    ],
)
def test_an_answer_that_is_no_such_stream_is_an_error(answer, message):
    with serving(answer) as url, Client(url, OTHER) as client, pytest.raises(LoadError, match=message):
        client.ask()


# Idle streams


@pytest.fixture
def holding() -> Iterator[HoldingUpstream]:
    with HoldingUpstream(OPEN.path, EVENT) as upstream:
        yield upstream


def test_streams_of_that_path_stay_open_and_others_end(holding):
    url = f"http://127.0.0.1:{holding.port}/mcp"
    with socket.create_connection(("127.0.0.1", holding.port)):
        pass  # as a health check does
    opened = idle.open_streams(20, url, OPEN)
    (other,) = idle.open_streams(1, url, OTHER)
    other.settimeout(5)
    assert other.recv(1) == b""
    for connection in opened:
        connection.settimeout(0.01)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    for connection in (*opened, other):
        connection.close()


def test_a_request_that_comes_in_pieces_is_read_as_a_whole(holding):
    request = OPEN.to(f"http://127.0.0.1:{holding.port}/mcp")
    with socket.create_connection(("127.0.0.1", holding.port), 5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in (slice(0, 40), slice(40, -1)):
            connection.sendall(request[place])
            connection.settimeout(0.05)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        connection.sendall(request[-1:])
        connection.settimeout(5)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_stream_that_does_not_open_is_an_error():
    with serving(b"HTTP/1.1 503 Service Unavailable\r\n\r\n") as url, pytest.raises(LoadError, match="503"):
        idle.open_streams(1, url, OPEN)
    with serving(HEAD) as url, pytest.raises(LoadError, match="ended after"):
        idle.open_streams(1, url, OPEN)


def test_streams_that_closed_meanwhile_are_an_error():
    class Envoy:
        def stats(self, pattern: str) -> dict[str, int]:
            return {"http.mcp.downstream_rq_active": 999}

    idle.check_open(Envoy(), 999)
    with pytest.raises(LoadError, match="999 streams are open, not 1000"):
        idle.check_open(Envoy(), 1000)


def test_a_stream_is_what_memory_grew_by_divided_by_their_number():
    samples = {("a", 0): Memory(1000, 100, 65536), ("a", 10): Memory(2000, 150, 131072)}
    one = idle.of_one(samples, "a", 10)
    assert one == idle.Stream(allocated=5.0, guest=6553.6, resident=100.0)
    assert one.held == 6558.6


@pytest.mark.parametrize(
    ("limits", "set_to"), [((100, 5000), [(1000, 5000)]), ((2000, 5000), []), ((100, -1), [(1000, -1)]), ((-1, -1), [])]
)
def test_files_are_allowed_where_they_are_not_yet(monkeypatch, limits, set_to):
    made: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: made.append(new))
    idle.allow_files(1000)
    assert made == set_to


def test_files_that_cannot_be_allowed_are_an_error(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 999))
    with pytest.raises(LoadError, match="ulimit -Hn"):
        idle.allow_files(1000)


MAPS = """\
1000-3000 rw-p 00000000 00:00 0
3000-200003000 ---p 00000000 00:00 0
300000000-300010000 r--p 00000000 00:00 0
300010000-500010000 ---p 00000000 00:00 0
600000000-600050000 rw-p 00000000 00:00 0
600051000-800051000 ---p 00000000 00:00 0
900000000-900010000 rw-p 00000000 00:00 0
900010000-b00010000 ---p 00000000 00:00 0                          [anon: v8]
c00000000-c00004000 rw-p 00000000 00:00 0                          [stack]
c00004000-c00005000 ---p 00000000 00:00 0
"""


def test_memory_of_modules_is_what_lies_in_front_of_reserved_addresses():
    assert memory.guest(MAPS) == 0x2000 + 0x10000
    assert memory.guest(Path("/proc/self/maps").read_text()) == 0


# A large stream


def test_the_peak_begins_anew():
    pid, size = os.getpid(), 64 * 1024 * 1024
    memory.forget_peak(pid)
    before = memory.peak(pid)
    held = b"x" * size
    assert memory.peak(pid) >= before + len(held) * 9 // 10
    del held
    memory.forget_peak(pid)
    assert memory.peak(pid) < before + size // 2


@pytest.mark.parametrize("size", [1, large.READ_BYTES - 7, large.READ_BYTES, 3 * large.READ_BYTES])
def test_a_stream_is_read_to_its_end(size):
    with serving(HEAD + chunk(b"x" * size) + b"0\r\n\r\n") as url:
        assert large.receive(url, OTHER, size) > 0


def pieces(*parts: bytes) -> Callable[[bytearray], int]:
    """`recv_into` that returns these one by one."""
    left = iter(parts)

    def recv_into(buffer: bytearray) -> int:
        part = next(left)
        buffer[: len(part)] = part
        return len(part)

    return recv_into


@pytest.mark.parametrize("place", range(1, len(CHUNKS_END)))
def test_an_end_that_comes_in_pieces_is_one(monkeypatch, place):
    connection = MagicMock()
    connection.__enter__.return_value = connection
    connection.recv_into = pieces(HEAD + b"x", CHUNKS_END[:place], CHUNKS_END[place:])
    monkeypatch.setattr(large, "connect", lambda _: connection)
    assert large.receive("http://127.0.0.1/mcp", OTHER, 1) > 0


def test_a_stream_that_breaks_off_or_is_too_short_is_an_error():
    with serving(HEAD + chunk(b"x" * 100)) as url, pytest.raises(LoadError, match="ended after"):
        large.receive(url, OTHER, 100)
    with serving(HEAD + b"0\r\n\r\n") as url, pytest.raises(LoadError, match="of a stream of 100 bytes"):
        large.receive(url, OTHER, 100)
