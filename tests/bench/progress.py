"""Says on standard error what is being done: in place on a terminal, else now and then."""

import sys
import time


class Progress:
    """The steps of a run, with the time since it began."""

    EVERY_SECONDS = 10.0

    def __init__(self) -> None:
        self._start = self._said = time.monotonic()

    def __call__(self, step: str, last: bool = False) -> None:
        """Says a step; the `last` of something is said in any case, and stays."""
        now = time.monotonic()
        line = f"  {now - self._start:4.0f}s  {step}"
        if sys.stderr.isatty():
            print(f"\r\033[K{line}", end="\n" if last else "\r", file=sys.stderr, flush=True)
        elif last or now - self._said >= self.EVERY_SECONDS:
            self._said = now
            print(line, file=sys.stderr, flush=True)
