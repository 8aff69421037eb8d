"""Provenance of a run: its stages, their times, and where its numbers come from."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from typing import Any

import jax

from w2vflow.counts import CooccurrenceStatistics
from w2vflow.support.devices import versions

__all__ = ["Log", "Stage", "provenance", "stages"]

Log = Callable[[str], None]
Stage = Callable[[str], AbstractContextManager[None]]


def stages(log: Log, seconds: dict[str, float]) -> Stage:
    """Return a context for each stage: names it to `log` at its start, and notes its `seconds` at its end."""

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        log(name)
        start = time.perf_counter()
        yield
        seconds[name] = round(time.perf_counter() - start, 2)

    return stage


def provenance(settings: Any, stats: CooccurrenceStatistics) -> dict[str, Any]:
    """Return the settings (a dataclass), the statistics, the device and the versions behind a result."""
    return {
        "experiment": asdict(settings),
        "statistics": {**stats.metadata, "sha256": stats.sha256, "vocab_size": stats.vocab_size},
        "device": jax.devices()[0].device_kind,
        "versions": versions(),
    }
