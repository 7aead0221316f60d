"""A real Prometheus that scrapes what a test runs, and what it answers."""

from __future__ import annotations

import json
import math
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from e2e.envoy_config import REPOSITORY
from e2e.process import Process, free_port

BINARIES = REPOSITORY / ".tools" / "debian" / "usr" / "bin"
START_SECONDS = 30.0


class QueryError(ValueError):
    """Prometheus does not understand a query."""


@dataclass(frozen=True)
class Sample:
    """One element of an answer."""

    labels: Mapping[str, str]
    value: float


class Prometheus:
    """Scrapes `/stats/prometheus` of one address, often; a context manager."""

    def __init__(self, target: str, interval: str = "500ms") -> None:
        job = {
            "job_name": "envoy",
            "metrics_path": "/stats/prometheus",
            "static_configs": [{"targets": [target]}],
            "scrape_interval": interval,
            "scrape_timeout": interval,
        }
        self._config = {"scrape_configs": [job]}

    def __enter__(self) -> Self:
        self._directory = tempfile.TemporaryDirectory(prefix="prometheus-")
        directory = Path(self._directory.name)
        (directory / "prometheus.yml").write_text(yaml.safe_dump(self._config))
        self._url = f"http://127.0.0.1:{free_port()}"
        argv: list[str | Path] = [BINARIES / "prometheus", f"--config.file={directory}/prometheus.yml"]
        argv += [f"--storage.tsdb.path={directory}/data"]
        argv += [f"--web.listen-address={self._url.removeprefix('http://')}"]
        self._process = Process("prometheus", argv, directory / "prometheus.log")
        self._process.wait_until(self._is_ready, START_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()
        self._directory.cleanup()

    def query(self, expression: str) -> list[Sample]:
        """The answer to an instant query."""
        form = urllib.parse.urlencode({"query": expression}).encode()
        try:
            with urllib.request.urlopen(f"{self._url}/api/v1/query", form, timeout=10) as answer:
                result = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as refused:
            raise QueryError(f"{expression}: {json.load(refused)['error']}") from None
        samples = [Sample(entry["metric"], float(entry["value"][1])) for entry in result]
        return [sample for sample in samples if not math.isnan(sample.value)]

    def metadata(self) -> dict[str, Any]:
        """Types of the metrics that were scraped, by name."""
        with urllib.request.urlopen(f"{self._url}/api/v1/metadata", timeout=10) as answer:
            return json.load(answer)["data"]

    def await_answer(
        self, expression: str, holds: Callable[[list[Sample]], bool] = bool, seconds: float = 20.0
    ) -> list[Sample]:
        """The answer, once it is as it should be."""
        deadline = time.monotonic() + seconds
        while not holds(answer := self.query(expression)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{expression} is still {answer}")
            time.sleep(0.1)
        return answer

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=1) as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


def check_rules(file: Path) -> subprocess.CompletedProcess[str]:
    """What Prometheus's own tool says of a file of alert rules."""
    argv = [BINARIES / "promtool", "check", "rules", file]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
