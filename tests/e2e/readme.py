"""The configuration that envoy/README.md suggests, so that what runs in the tests is what users read."""

from __future__ import annotations

import re
from typing import Any

import yaml

from e2e.envoy_config import REPOSITORY

README = REPOSITORY / "envoy" / "README.md"


def suggestion(heading: str) -> Any:
    """The first YAML block under that heading."""
    section = README.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    block = re.search(r"^```yaml\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    if block is None:
        raise KeyError(f"{README} has no YAML under {heading!r}")
    return yaml.safe_load(block[1])
