"""How far long work is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10.0
log = logging.getLogger("fathom")


class Progress:
    """Counts units of work (tokens, layers) and shows speed and time left on standard error."""

    def __init__(self, title: str, total: int, unit: str) -> None:
        self._title, self._total, self._unit = title, total, unit
        self._done, self._note = 0, ""
        self._started = self._shown = time.monotonic()
        self._bar = tqdm(
            total=total,
            desc=title,
            unit=f" {unit}",
            unit_scale=True,
            leave=False,
            disable=not sys.stderr.isatty(),
            dynamic_ncols=True,
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        if kind is None:
            self._line()

    def advance(self, units: int, note: str = "") -> None:
        """Count `units` more; `note` is shown beside the speed, a loss say."""
        self._done += units
        self._note = note
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(units)
        if self._bar.disable and time.monotonic() - self._shown >= SECONDS_BETWEEN_LINES:
            self._line()

    def _line(self) -> None:
        self._shown = time.monotonic()
        speed = self._done / max(self._shown - self._started, 1e-9)
        left = (self._total - self._done) / max(speed, 1e-9)
        rest = f", {left:,.0f} s left" if self._done < self._total else f" in {self._shown - self._started:,.1f} s"
        log.info(
            "%s: %s of %s %s, %s %s/s%s%s",
            self._title,
            f"{self._done:,}",
            f"{self._total:,}",
            self._unit,
            f"{speed:,.0f}",
            self._unit,
            rest,
            f", {self._note}" if self._note else "",
        )
