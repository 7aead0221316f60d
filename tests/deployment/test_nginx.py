"""apisix/nginx.conf in Debian's nginx with its Lua module, real servers' side and clients' side on sockets.

wasm-nginx-module is not to be had here: its one directive is taken out, and a stand-in takes the place of its Lua
library. All else in the file is run as it is. That the module takes the configuration in it is shown by
tests/tests/apisix.rs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployment import debian
from deployment.debian import NGINX, ROOT
from e2e.envoy_config import REPOSITORY
from e2e.process import Process, accepts, free_port
from e2e.raw import Answer, Connection, TextHeader, send
from e2e.upstream import Exchange, ScriptedUpstream

SHIPPED = (REPOSITORY / "apisix" / "nginx.conf").read_text()
STAND_IN = Path(__file__).parent / "wasm_stand_in.lua"
METADATA = "/.well-known/oauth-protected-resource/mcp"


def replaced(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert text.count(old) == 1, f"{old}: {text.count(old)} times"
        text = text.replace(old, new)
    return text


@dataclass
class Nginx:
    process: Process
    port: int
    primary: ScriptedUpstream
    backup: ScriptedUpstream

    def post(self, body: bytes = b"{}", *headers: TextHeader) -> Answer:
        with Connection(self.port) as connection:
            connection.post(body, headers)
            return connection.answer()

    def log_entry(self) -> dict[str, object]:
        """The first entry of the access log, which is written once the client has its answer."""
        file = self.process.log.with_name("access.log")
        self.process.wait_until(lambda: file.read_text().endswith("\n"), 10)
        return json.loads(file.read_text().splitlines()[0])


def named(name: str) -> ScriptedUpstream:
    return ScriptedUpstream(lambda exchange: exchange.send_json(json.dumps({"from": name}).encode()))


@contextmanager
def nginx(directory: Path, *changes: tuple[str, str]) -> Iterator[Nginx]:
    port = free_port()
    library = directory / "resty" / "proxy-wasm.lua"
    library.parent.mkdir()
    library.write_text(STAND_IN.read_text())
    for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        (directory / name).mkdir()
    modules = ROOT / "usr" / "lib" / "nginx" / "modules"
    lua = ROOT / "usr" / "share" / "lua" / "5.1"
    temporary = "".join(
        f"    {name}_temp_path {directory / name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    with named("primary") as primary, named("backup") as backup:
        text = replaced(
            SHIPPED,
            ("    wasm_vm wasmtime;\n", temporary),
            ("/usr/local/openresty/lualib/?.lua;", f"{directory}/?.lua;{lua}/?.lua;"),
            ("/tmp/mcp-nginx.pid", str(directory / "nginx.pid")),
            ("access_log /dev/stdout mcp;", f"access_log {directory / 'access.log'} mcp;"),
            ("listen 127.0.0.1:8080;", f"listen 127.0.0.1:{port};"),
            ('PRIMARY = { "127.0.0.1", 3901 }', f'PRIMARY = {{ "127.0.0.1", {primary.port} }}'),
            ('BACKUP = { "127.0.0.1", 3902 }', f'BACKUP = {{ "127.0.0.1", {backup.port} }}'),
            *changes,
        )
        load = [f"load_module {modules / name}.so;" for name in ("ndk_http_module", "ngx_http_lua_module")]
        # One worker, so that what one request changes the next one sees; as itself, whoever runs the tests.
        head = "\n".join([*load, "daemon off;", "user root;"])
        config = directory / "nginx.conf"
        config.write_text(head + "\n" + text.replace("worker_processes 2;", "worker_processes 1;"))
        argv = [NGINX, "-p", REPOSITORY, "-c", config, "-e", "stderr"]
        process = Process("nginx", argv, directory / "nginx.log", env=debian.ENVIRONMENT)
        with process:
            process.wait_until(lambda: accepts(port), 20)
            yield Nginx(process, port, primary, backup)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Nginx]:
    with nginx(tmp_path) as running:
        yield running


def says(method: str) -> TextHeader:
    """What the stand-in tells nginx the request is."""
    return ("x-says", method)


def asks(what: str) -> TextHeader:
    return ("x-test", what)


def overloaded(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")


def broken(exchange: Exchange) -> None:
    """Hangs up instead of answering."""
    raise ConnectionError


# --- the filter is asked, and what it says is done


def test_a_request_passes_the_filter_and_its_answer_does(gateway: Nginx) -> None:
    answer = gateway.post(b"{}", says("tools/call"))
    assert answer.status == 200 and answer.json() == {"from": "primary"}
    assert answer.headers["x-filtered"] == "yes"
    [request] = gateway.primary.requests()
    assert request.header("x-mcp-method") == b"tools/call" and request.body == b"{}"


def test_what_clients_say_of_themselves_in_our_headers_does_not_pass(gateway: Nginx) -> None:
    forged = [("x-mcp-principal", "root"), ("X-MCP-Tenant", "acme"), ("x_mcp_agent", "x")]
    gateway.post(b"{}", says("tools/call"), *forged)
    [request] = gateway.primary.requests()
    assert {name for name, _ in request.headers if "mcp" in name} == {"x-mcp-method"}
    entry = gateway.log_entry()
    assert (entry["principal"], entry["tenant"], entry["method"]) == ("", "", "tools/call")


@pytest.mark.parametrize("size", [0, 10, 100_000, 1_900_000])
def test_the_filter_reads_the_whole_body(gateway: Nginx, size: int) -> None:
    body = b"x" * size
    assert gateway.post(body, asks("body")).status == 200
    [request] = gateway.primary.requests()
    assert request.header("x-read") == f"{size} {hashlib.md5(body).hexdigest()}".encode()
    assert request.body == body


def test_it_also_reads_a_body_that_nginx_put_into_a_file(tmp_path: Path) -> None:
    with nginx(tmp_path, ("client_body_buffer_size 2m;", "client_body_buffer_size 1k;")) as gateway:
        body = b"y" * 500_000
        assert gateway.post(body, asks("body")).status == 200
        [request] = gateway.primary.requests()
    assert request.header("x-read") == f"500000 {hashlib.md5(body).hexdigest()}".encode()


def test_a_refusal_of_the_filter_is_the_answer(gateway: Nginx) -> None:
    answer = gateway.post(b"{}", asks("refuse"))
    assert (answer.status, answer.body) == (401, b"who are you?")
    assert answer.headers["x-filtered"] == "yes"
    assert gateway.primary.requests() == []


def test_the_filter_reads_answers_piece_by_piece_if_it_asked_to(gateway: Nginx) -> None:
    def stream(exchange: Exchange) -> None:
        exchange.start_events()
        exchange.send_chunk(b"data: 1\n\n")
        exchange.send_chunk(b"data: 22\n\n")
        exchange.end_chunks()

    gateway.primary.answer = stream
    assert gateway.post(b"{}", asks("answer")).body == b"data: 1\n\ndata: 22\n\n"
    read = gateway.process.log_text().count("stand-in: piece")
    assert gateway.post(b"{}").body == b"data: 1\n\ndata: 22\n\n"
    assert read >= 2 and gateway.process.log_text().count("stand-in: piece") == read


def test_an_event_passes_before_the_next_one_is_there(gateway: Nginx) -> None:
    def first(exchange: Exchange) -> None:
        exchange.start_events()
        exchange.send_chunk(b"data: 1\n\n")

    gateway.primary.answer = first
    with Connection(gateway.port) as connection:
        connection.post(b"{}")
        response = connection.head()
        assert response.read1(100) == b"data: 1\n\n"
        exchange = gateway.primary.exchange()
        exchange.send_chunk(b"data: 2\n\n")
        assert response.read1(100) == b"data: 2\n\n"
        exchange.end_chunks()


# --- nobody passes without it


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (("dist/mcp_gateway.wasm", "dist/mcp_gatway.wasm"), 503),
        (('"workers": 2', '"workers": "refused"'), 503),
        (
            (
                'require("resty.proxy-wasm")\n\n        -- CHANGE',
                'require("resty.no-wasm")\n\n        -- CHANGE',
            ),
            500,
        ),
    ],
    ids=["no module", "wrong configuration", "no library"],
)
def test_nobody_passes_if_it_does_not_work(tmp_path: Path, change: tuple[str, str], status: int) -> None:
    with nginx(tmp_path, change) as gateway:
        for _ in range(2):
            assert gateway.post(b"{}", ("x-mcp-principal", "root")).status == status
        assert send(gateway.port, "GET", path=METADATA).status == status
        assert gateway.primary.requests() + gateway.backup.requests() == []


@pytest.mark.parametrize(("what", "status"), [("trap", 503), ("trap at body", 503), ("error", 500)])
def test_nobody_passes_when_it_fails(gateway: Nginx, what: str, status: int) -> None:
    assert gateway.post(b"{}", asks(what)).status == status
    assert gateway.primary.requests() + gateway.backup.requests() == []


def test_what_is_on_its_way_passes_if_it_fails(gateway: Nginx) -> None:
    assert gateway.post(b"{}", asks("trap at answer")).json() == {"from": "primary"}
    assert "failed to run proxy_on_http_response_headers" in gateway.process.log_text()


def test_nothing_but_the_endpoint_and_the_metadata_is_served(gateway: Nginx) -> None:
    assert [send(gateway.port, "GET", path=path).status for path in ("/", "/mcp/x", "/mcpx")] == [404] * 3
    assert send(gateway.port, "GET", path=METADATA).status == 200
    with Connection(gateway.port) as connection:
        connection.send(b"GET /mcp HTTP/1.0\r\n\r\n")
        assert connection.answer().status == 400
    assert len(gateway.primary.requests()) == 1


# --- failover


@pytest.mark.parametrize("fails", [overloaded, broken])
@pytest.mark.parametrize("method", ["initialize", "tools/list"])
def test_what_changes_nothing_is_asked_again_of_the_backup(
    gateway: Nginx, method: str, fails: object
) -> None:
    gateway.primary.answer = fails  # type: ignore[assignment]
    answer = gateway.post(b'{"a":1}', says(method))
    assert answer.status == 200 and answer.json() == {"from": "backup"}
    assert gateway.backup.requests()[0].body == b'{"a":1}'


@pytest.mark.parametrize(
    "headers",
    [
        [says("tools/call")],
        [says("")],
        [says("tools/list"), ("mcp-session-id", "one")],
        [says("tools/call"), ("x-mcp-method", "tools/list")],
    ],
    ids=["a call", "unknown", "of a session", "a call that says it is a list"],
)
def test_nothing_else_is_done_twice(gateway: Nginx, headers: list[TextHeader]) -> None:
    gateway.primary.answer = broken
    assert gateway.post(b"{}", *headers).status == 502
    assert len(gateway.primary.requests()) == 1 and gateway.backup.requests() == []
    # The next one goes to the backup, at once.
    assert gateway.post(b"{}", *headers).json() == {"from": "backup"}
    assert len(gateway.primary.requests()) == 1


def test_nothing_else_is_done_twice_on_a_connection_that_was_used_before(gateway: Nginx) -> None:
    """nginx sends again what failed on a connection that it kept, whatever the number of tries."""
    assert gateway.post(b"{}", says("tools/call")).status == 200
    gateway.primary.answer = broken
    seen = len(gateway.primary.requests())
    assert gateway.post(b"{}", says("tools/call")).status == 502
    assert (len(gateway.primary.requests()), len(gateway.backup.requests())) == (seen + 1, 0)


def test_a_server_that_says_503_to_a_call_is_believed(gateway: Nginx) -> None:
    gateway.primary.answer = overloaded
    assert [gateway.post(b"{}", says("tools/call")).status for _ in range(2)] == [503, 503]
    assert gateway.backup.requests() == []


# --- the file agrees with the others


def test_limits_are_divided_by_the_workers_there_are() -> None:
    assert re.findall(r'"workers": (\d+)', SHIPPED) == re.findall(r"worker_processes (\d+);", SHIPPED)


def test_events_are_held_nowhere() -> None:
    """nginx often passes them early all the same, so that no request above proves it."""
    assert "proxy_buffering off;" in SHIPPED and "gzip" not in SHIPPED


def test_the_location_is_what_the_module_was_told_of() -> None:
    [configuration] = re.findall(r"\[=\[(.*?)\]=\]", SHIPPED, re.DOTALL)
    [path] = json.loads(configuration)["admission"]["paths"]
    [location] = re.findall(r"location ~ (\S+) ", SHIPPED)
    served = [path for path in (path, METADATA, "/", f"{path}/x", f"x{path}") if re.search(location, path)]
    assert served == [path, METADATA] == ["/mcp", f"/.well-known/oauth-protected-resource{path}"]
