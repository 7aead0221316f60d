"""What grows with what: CPU over router only, against the size of a request or of a configuration."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench import fleet, gateway, keys, streams
from bench.cpu import WARM_UP_ROUNDS, cpu_seconds
from bench.figures import Figure, order
from bench.load import CONNECTIONS, Distinct, Load, Same
from bench.natives import METADATA_ADDED, natively, sse_to_metadata
from bench.report import size
from bench.results import Column, Row, Table
from bench.tokens import Issuer
from bench.upstream import answer_with
from bench.variants import NATIVE, ROUTER, Edit, Variant, router_only
from bench.workload import HEADERS, PATH, SMALL, body
from e2e.envoy_config import EnvoyConfig

BODIES = (SMALL, *(length * 1024 for length in (1, 4, 16, 64, 256, 1024)))
EVENTS = (1, 10, 100, 1_000, 10_000)
HEADER_COUNTS = (0, 10, 20, 40, 80)
LIMITS = (1, 5, 10, 20)
LIMIT_KEYS = (["principal"], ["tenant"], ["agent"], ["tool"], ["principal", "tool"])
RULES = (1, 10, 100, 512)
"""The module takes no more."""
KEYS = (100, 1_000, 10_000, 100_000, 1_000_000)
REQUESTS, BYTES_A_ROUND, EVENTS_A_ROUND = 200, 4 * 1024 * 1024, 20_000
OURS, MCP, SSE = "mcp_gateway", "Envoy's native mcp", "Envoy's native sse_to_metadata"
PREFIX = "growth-"


@dataclass(frozen=True, eq=False)
class Point:
    """A figure of a curve: what a request of `load` costs in `variant`. It is in the table of that name, where the axis
    is at `at` (`label` in words), in the column `line`."""

    table: str
    at: int
    label: str
    line: str
    variant: Variant
    load: Load


@dataclass(frozen=True)
class Axis:
    """What a curve is against, and how its table is called."""

    name: str
    title: str


AXES: Mapping[str, Axis] = {
    "body": Axis("body of the request", "body"),
    "events": Axis("events in the answer", "events of the answer"),
    "headers": Axis("headers of the request", "headers of the request"),
    "limits": Axis("limits", "limits that a call is counted by"),
    "rules": Axis("rules", "rules of which the last one matches"),
    "keys": Axis("keys in the table", "keys that a limit counts by"),
}


def tables(rounds: int, progress: Callable[[str], None]) -> list[Table]:
    """A table for each curve.

    Raises:
        ProbeError: A configuration is not what its name says.
        LoadError: A request was not answered as it must be.
    """
    all_points = points(Issuer())
    samples = measure(all_points, rounds, progress)
    return [_table(name, axis, samples, rounds) for name, axis in AXES.items()]


def measure(all_points: Sequence[Point], rounds: int, progress: Callable[[str], None]) -> dict[Point, list[float]]:
    """Microseconds of CPU over router only, one value a round. The router gets each load right before."""
    samples: dict[Point, list[float]] = {point: [] for point in all_points}
    router = Variant(ROUTER, router_only, [])
    variants = list({variant.name: variant for variant in (router, *(point.variant for point in all_points))}.values())
    with fleet.started(variants, [], progress, _answer) as envoys:
        for variant in variants:
            variant.probe(envoys[variant.name].port, body(SMALL))

        def cost(name: str, load: Load, turn: int) -> float:
            before = cpu_seconds(envoys[name].pid)
            load.drive(envoys[name].url, turn)
            return (cpu_seconds(envoys[name].pid) - before) * 1e6 / load.number

        for turn in range(-WARM_UP_ROUNDS, rounds):
            progress(f"growth, round {max(turn + 1, 0)} of {rounds}")
            for place in order(list(range(len(all_points))), turn):
                point = all_points[place]
                base = cost(ROUTER, point.load, turn)
                over = cost(point.variant.name, point.load, turn) - base
                if turn >= 0:
                    samples[point].append(over)
    return samples


def points(issuer: Issuer) -> list[Point]:
    """All figures of all curves."""
    caller = gateway.Caller(issuer).headers
    ours = Variant(OURS, gateway.all_filters(issuer, [PATH, *map(_path, EVENTS)]), [caller], {401: [HEADERS]})
    mcp = Variant(MCP, natively(NATIVE), [caller])
    sse = Variant(SSE, natively(sse_to_metadata(["id"])), [caller], {}, METADATA_ADDED)
    small, found = Same(body(SMALL), REQUESTS, caller), []
    for length in BODIES:
        load = Same(body(length), _requests(BYTES_A_ROUND // length), caller)
        found += [Point("body", length, size(length), each.name, each, load) for each in (ours, mcp)]
    for number in EVENTS:
        load = Same(body(SMALL), _requests(EVENTS_A_ROUND // number), caller, _path(number))
        found += [Point("events", number, f"{number:,}", each.name, each, load) for each in (ours, sse)]
    for number in HEADER_COUNTS:
        more = {f"X-Header-{place}": "a value as clients send them" for place in range(number)}
        load = Same(body(SMALL), REQUESTS, caller | more)
        count = len(caller | more)
        found.append(Point("headers", count, f"{count}", OURS, ours, load))
    for number in LIMITS:
        variant = Variant(f"{number} limits", _limits(issuer, number), [caller], {401: [HEADERS]})
        found.append(Point("limits", number, f"{number}", OURS, variant, small))
    for number in RULES:
        variant = Variant(f"{number} rules", _rules(issuer, number), [caller], {401: [HEADERS]})
        found.append(Point("rules", number, f"{number:,}", OURS, variant, small))
    for number in KEYS:
        variant = Variant(
            f"{number:,} keys",
            _keys(issuer),
            [caller],
            {401: [HEADERS]},
            prepare=keys.call_each_tool(number, caller),
        )
        load = Distinct(body(SMALL), REQUESTS, keys.spread(random.Random(number), number, caller))
        found.append(Point("keys", number, f"{number:,}", OURS, variant, load))
    return found


def _requests(number: int) -> int:
    """So many a round, but neither so few that a connection has none nor more than it takes."""
    return max(CONNECTIONS, min(REQUESTS, number))


def _limits(issuer: Issuer, number: int) -> Edit:
    """All filters with so many limits, of a few keys in several windows each."""
    settings = gateway.settings(issuer)
    template = gateway.limits()[-1]
    settings["quota"]["limits"] = [
        template | {"name": f"tokens_{place}", "key": LIMIT_KEYS[place % len(LIMIT_KEYS)], "window": f"{place + 1}h"}
        for place in range(number)
    ]
    return gateway.module(gateway.MODULE, settings)


def _rules(issuer: Issuer, number: int) -> Edit:
    """All filters with so many rules; all but the last are about other tools."""
    settings = gateway.settings(issuer)
    others = [{"action": "deny", "methods": ["tools/call"], "names": [f"other_{place}"]} for place in range(number - 1)]
    settings["auth"]["rules"] = [*others, {"action": "allow"}]
    return gateway.module(gateway.MODULE, settings)


def _keys(issuer: Issuer) -> Edit:
    """All filters with one limit, by tool. Headers are believed, so that they can name other tools than the body."""
    settings = gateway.settings(issuer)
    settings["admission"] |= {"validation": "trust_headers", "batches": "allow"}
    settings["quota"] |= {"limits": [keys.LIMIT], "max_subjects": keys.ROOM}
    return gateway.module(gateway.MODULE, settings)


def _answer(config: EnvoyConfig) -> None:
    answer_with(config, {_path(number): streams.progress(number) for number in EVENTS})


def _path(events: int) -> str:
    """Where so many events come."""
    return f"/events-{events}"


def _table(name: str, axis: Axis, samples: Mapping[Point, Sequence[float]], rounds: int) -> Table:
    figures = {point: Figure.of(values) for point, values in samples.items() if point.table == name}
    lines = list(dict.fromkeys(point.line for point in figures))
    rows = []
    for at, label in dict.fromkeys((point.at, point.label) for point in figures):
        cells = {point.line: figure for point, figure in figures.items() if point.at == at}
        rows.append(Row(label, tuple(cells.get(line) for line in lines), at))
    title = f"CPU per request in Envoy over router only, by {axis.title}"
    return Table(PREFIX + name, title, [Column(line, "µs") for line in lines], rows, rounds, axis.name)
