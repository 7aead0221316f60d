"""Tables for the comparison of two runs."""

import json

import pytest

from conformance.compare import Difference, Outcome, compare, parse, read


def run(*statuses: str) -> Outcome:
    """A scenario whose checks, named a, b, c ..., ended so."""
    entries = [
        {"name": name, "description": f"does {name}", "status": status, "errorMessage": f"no {name}"}
        for name, status in zip("abcdef", statuses, strict=False)
    ]
    return parse(entries)


def names(checks) -> str:
    return "".join(sorted(check.name for check in checks.elements()))


OK, BAD, SKIP, WARN, INFO = "SUCCESS", "FAILURE", "SKIPPED", "WARNING", "INFO"


@pytest.mark.parametrize(
    ("direct", "gateway", "newly_failed", "no_longer_passed", "newly_passed"),
    [
        pytest.param([OK, OK], [OK, OK], "", "", "", id="same"),
        pytest.param([OK, OK], [OK, BAD], "b", "", "", id="breaks"),
        pytest.param([OK, OK], [OK, SKIP], "", "b", "", id="skipped instead of passed"),
        pytest.param([OK, OK], [OK, WARN], "", "b", "", id="warned instead of passed"),
        pytest.param([OK, OK], [OK, INFO], "", "b", "", id="informed instead of passed"),
        pytest.param([OK, OK], [OK], "", "b", "", id="not made"),
        pytest.param([OK, BAD], [OK, BAD], "", "", "", id="fails in both"),
        pytest.param([OK, BAD], [OK, OK], "", "", "b", id="mended"),
        pytest.param([OK, BAD], [BAD, OK], "a", "", "b", id="equal numbers, other checks"),
        pytest.param([SKIP], [BAD], "a", "", "", id="was skipped, now fails"),
        pytest.param([OK], [OK, BAD], "b", "", "", id="only the gateway run makes it"),
    ],
)
def test_each_change_is_told_apart(direct, gateway, newly_failed, no_longer_passed, newly_passed):
    difference = Difference("scenario", run(*direct), run(*gateway))
    assert names(difference.newly_failed) == newly_failed
    assert names(difference.no_longer_passed) == no_longer_passed
    assert names(difference.newly_passed) == newly_passed
    assert difference.worse == bool(newly_failed or no_longer_passed)


def test_a_check_made_several_times_counts_each_time():
    same = {"name": "a", "description": "does a"}
    direct = parse([{**same, "status": OK}, {**same, "status": OK}])
    gateway = parse([{**same, "status": OK}, {**same, "status": BAD, "errorMessage": "no a"}])
    difference = Difference("scenario", direct, gateway)
    assert names(difference.newly_failed) == "a"
    assert [str(direct), str(gateway)] == ["2/0", "1/1"]


def test_a_scenario_missing_behind_the_gateway_is_worse():
    [difference] = compare({"ping": run(OK)}, {})
    assert difference.worse
    assert names(difference.no_longer_passed) == "a"


def test_a_scenario_of_the_gateway_run_alone_is_listed():
    assert [difference.scenario for difference in compare({"a": run(OK)}, {"b": run(OK), "a": run(OK)})] == ["a", "b"]


@pytest.mark.parametrize(
    ("gateway", "worse", "expected", "outdated"),
    [
        pytest.param([OK, BAD], "", {"b": "because"}, set(), id="as expected"),
        pytest.param([OK, SKIP], "", {"b": "because"}, set(), id="expected and skipped"),
        pytest.param([BAD, BAD], "a", {"b": "because"}, set(), id="another besides"),
        pytest.param([OK, OK], "", {}, {"b"}, id="not any more"),
    ],
)
def test_expected_changes_are_told_with_their_reasons(gateway, worse, expected, outdated):
    [difference] = compare({"s": run(OK, OK)}, {"s": run(*gateway)}, {"s": {"b": "because"}, "t": {"a": "other"}})
    assert names(difference.newly_failed + difference.no_longer_passed) == worse
    assert difference.worse == bool(worse)
    assert difference.expected == expected
    assert difference.outdated == outdated


def test_results_are_read_by_scenario(tmp_path):
    for name, status in (("json-schema-2020-12", OK), ("ping", BAD)):
        directory = tmp_path / f"server-{name}-2026-11-23T07-56-54-126Z"
        directory.mkdir()
        directory.joinpath("checks.json").write_text(
            json.dumps([{"name": "a", "description": "does a", "status": status, "errorMessage": "why"}])
        )
    found = read(tmp_path)
    assert {scenario: str(outcome) for scenario, outcome in found.items()} == {
        "json-schema-2020-12": "1/0",
        "ping": "0/1",
    }
    assert list(found["ping"].messages.values()) == ["why"]


def test_checks_that_a_client_printed_count(tmp_path):
    directory = tmp_path / "auth" / "iss-supported-2026-11-23T07-56-54-126Z"
    directory.mkdir(parents=True)
    check = {"name": "a", "description": "does a", "status": OK}
    directory.joinpath("checks.json").write_text(json.dumps([check]))
    directory.joinpath("stdout.txt").write_text(json.dumps([{**check, "status": BAD}]) + "\n")
    assert {scenario: str(outcome) for scenario, outcome in read(tmp_path).items()} == {"auth/iss-supported": "1/1"}


def test_no_results_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no results"):
        read(tmp_path)


def test_a_directory_of_another_name_is_an_error(tmp_path):
    tmp_path.joinpath("ping").mkdir()
    tmp_path.joinpath("ping", "checks.json").write_text("[]")
    with pytest.raises(ValueError, match="ping: not named"):
        read(tmp_path)
