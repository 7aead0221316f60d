"""Tables for the arithmetic of rounds, the reading of the load's report, and the request itself."""

import json

import pytest

from bench.figures import Figure, highest, order, over, ratio
from bench.load import LoadError, check
from bench.workload import HEADERS, LARGE, SMALL, body


@pytest.mark.parametrize(
    ("values", "figure"),
    [
        ([1, 2, 3, 4, 5], Figure(3, 2, 4)),
        ([5, 1, 4, 2, 3], Figure(3, 2, 4)),
        ([10, 20], Figure(15, 12.5, 17.5)),
        ([1, 1, 1, 1, 1000], Figure(1, 1, 1)),
    ],
)
def test_median_and_quartiles(values, figure):
    assert Figure.of(values) == figure


def test_noise_of_a_round_cancels():
    assert over([100, 200, 300], [110, 210, 310]) == Figure(10, 10, 10)


def test_a_rare_difference_is_of_rounds_too():
    baseline = list(range(101))
    values = [base + place for place, base in enumerate(baseline)]
    assert [highest(baseline, values, percent) for percent in (1, 50, 99)] == [1, 50, 99]


def test_rounds_that_do_not_pair_are_an_error():
    with pytest.raises(ValueError, match="shorter"):
        over([1, 2, 3], [1, 2])


def test_every_name_takes_every_place():
    orders = [order(["a", "b", "c"], turn) for turn in (-1, 0, 1, 2)]
    assert orders == [["c", "a", "b"], ["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]]


def test_ratio_needs_a_reference_above_zero():
    figures = {"ours": Figure(30, 29, 31), "native": Figure(40, 39, 41), "noise": Figure(-1, -2, 1)}
    assert ratio(figures, "ours", "native") == 0.75
    assert ratio(figures, "ours", "noise") is None


REPORT = """
requests: 100 total, 100 started, 100 done, {succeeded} succeeded, 0 failed, 0 errored, 0 timeout
status codes: {ok} 2xx, 0 3xx, {bad} 4xx, 0 5xx
"""


def test_a_load_that_was_answered_passes():
    check(REPORT.format(succeeded=100, ok=100, bad=0), 100)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (REPORT.format(succeeded=99, ok=100, bad=0), "99 succeeded"),
        (REPORT.format(succeeded=100, ok=0, bad=100), "0 2xx"),
        ("could not connect", "could not connect"),
    ],
)
def test_a_load_that_was_not_is_an_error(output, message):
    with pytest.raises(LoadError, match=message):
        check(output, 100)


@pytest.mark.parametrize("size", [SMALL, 1024, LARGE, 1024 * 1024])
def test_bodies_have_their_size_and_agree_with_the_headers(size):
    content = body(size)
    assert len(content) == size
    request = json.loads(content)
    assert request["method"] == HEADERS["Mcp-Method"]
    assert request["params"]["name"] == HEADERS["Mcp-Name"]
    assert request["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] == HEADERS["MCP-Protocol-Version"]


@pytest.mark.parametrize("size", [0, 199, 201])
def test_a_size_that_no_call_has_is_an_error(size):
    with pytest.raises(ValueError, match="no call of"):
        body(size)
