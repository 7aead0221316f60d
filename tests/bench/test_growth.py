"""What the curves are made of."""

import pytest

from bench import growth, report
from bench.figures import Figure
from bench.load import CONNECTIONS
from bench.tokens import Issuer
from bench.variants import PLUGIN, SHIPPED
from e2e.envoy_config import EnvoyConfig

POINTS = growth.points(Issuer())


def settings(point: growth.Point) -> dict:
    config = EnvoyConfig.load(SHIPPED)
    point.variant.edit(config)
    return config.settings(PLUGIN)


def of(table: str) -> list[growth.Point]:
    return [point for point in POINTS if point.table == table]


def test_every_curve_has_points_and_every_point_its_curve():
    assert {point.table for point in POINTS} == growth.AXES.keys()
    for table in growth.AXES:
        ours = [point.at for point in of(table) if point.line == growth.OURS]
        assert len(ours) > 3 and ours == sorted(set(ours)) and ours[0] > 0


def test_one_name_is_one_configuration():
    variants = {}
    for point in POINTS:
        assert variants.setdefault(point.variant.name, point.variant) is point.variant


@pytest.mark.parametrize("point", of("body"), ids=lambda point: point.label)
def test_bodies_are_as_long_as_they_say(point):
    assert len(point.load.body) == point.at and report.size(point.at) == point.label


@pytest.mark.parametrize("point", of("limits"), ids=lambda point: point.label)
def test_a_call_is_counted_by_so_many_limits(point):
    limits = settings(point)["quota"]["limits"]
    assert len({limit["name"] for limit in limits}) == len(limits) == point.at
    assert len({(*limit["key"], limit["window"]) for limit in limits}) == point.at


@pytest.mark.parametrize("point", of("rules"), ids=lambda point: point.label)
def test_the_last_of_so_many_rules_matches(point):
    rules = settings(point)["auth"]["rules"]
    assert len(rules) == point.at
    assert rules[-1] == {"action": "allow"} and all(rule["action"] == "deny" for rule in rules[:-1])


def test_no_connection_is_without_a_request_and_no_round_too_long():
    assert [growth._requests(number) for number in (0, CONNECTIONS, 50, 10**6)] == [8, 8, 50, growth.REQUESTS]


def test_a_table_has_a_row_for_each_place_and_a_column_for_each_line():
    samples = {point: [point.at, point.at + 1.0, point.at + 2.0] for point in POINTS}
    table = growth._table("events", growth.AXES["events"], samples, 3)
    assert table.name == "growth-events"
    assert [column.name for column in table.columns] == [growth.OURS, growth.SSE]
    assert [row.at for row in table.rows] == list(growth.EVENTS)
    assert table.rows[-1].cells == (Figure(10_001, 10_000.5, 10_001.5),) * 2
