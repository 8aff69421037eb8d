"""Memory, cores and disk of this machine."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error

__all__ = [
    "Plan",
    "Speed",
    "available_cores",
    "available_disk",
    "available_memory",
    "check_embeddings_fit",
    "check_fits",
    "measure_speed",
    "readable_bytes",
]


class Speed(NamedTuple):
    """How fast this machine is at what computations here consist of.

    Attributes:
        products: operations a second in products of large float64 matrices, on all cores.
        rows: numbers a second fetched in rows of 16 from random places, on one core.
        turns: turns a second of a loop in Python, on one core; compilers are as fast as that.
        cores: that this process may use.
    """

    products: float
    rows: float
    turns: float
    cores: int


@checked
@dataclass(frozen=True)
class Plan:
    """What a computation is expected to take, told before it starts.

    Attributes:
        memory: bytes, at the most at any time, of all processes together.
        disk: bytes that its files will take, at the most at any time.
        operations: additions and multiplications, of floating-point numbers unless a note says else.
        seconds: on this machine, if nothing else runs on it.
        notes: what it consists of and what was assumed, a line each.
    """

    memory: int
    disk: int
    operations: float
    seconds: float
    notes: tuple[str, ...] = ()

    def lines(self, folder: str | os.PathLike[str] = ".") -> list[str]:
        """Return the plan for people; lines at the end say what this machine lacks for it.

        Args:
            folder: where its files will be; it, or the nearest folder above it that exists, is
                asked for free space.
        """
        figures = [
            f"memory      {readable_bytes(self.memory)} at most",
            f"disk        {readable_bytes(self.disk)}",
            f"operations  {self.operations:.1e}".replace("e+", "e"),
            f"time        about {_readable_seconds(self.seconds)} on this machine",
        ]
        return figures + [f"  {note}" for note in self.notes] + self.lacking(folder)

    def lacking(self, folder: str | os.PathLike[str] = ".") -> list[str]:
        """Return a line for each of memory and disk that this machine has less of; none where it fits."""
        needs = (
            ("memory", self.memory, available_memory(), "is free on this machine"),
            ("disk", self.disk, available_disk(folder), f"is free where {Path(folder)} is"),
        )
        return [
            f"Not enough {what}: {readable_bytes(need)} needed, {readable_bytes(have)} {where}."
            for what, need, have, where in needs
            if need > have
        ]

    def record(self) -> dict[str, Any]:
        """Return everything by name, as JSON has it."""
        return {**asdict(self), "notes": list(self.notes)}


@cache
def measure_speed() -> Speed:
    """Return the speed of this machine's processor, from 0.2 s of work; measured once in a process.

    The best of five, hence that of a machine with little else to do.
    """
    matrix = np.ones((600, 600))
    vectors = np.ones((2000, 16), np.float32)
    places = np.arange(2**16) * 7919 % len(vectors)
    turns = 40_000

    def loop() -> int:
        total = 0
        for number in range(turns):
            total += number * number
        return total

    return Speed(
        2 * len(matrix) ** 3 / _shortest(lambda: matrix @ matrix),
        places.size * vectors.shape[1] / _shortest(lambda: vectors[places]),
        turns / _shortest(loop),
        available_cores(),
    )


def _shortest(work: Callable[[], Any]) -> float:
    """Return the seconds of the shortest of five runs: the first also warms up."""
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def readable_bytes(count: float) -> str:
    """Return a number of bytes as people read it.

    Example:
        >>> readable_bytes(512), readable_bytes(2_340_000), readable_bytes(13e9)
        ('512 bytes', '2.3 MB', '13 GB')
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.0f} {unit}" if count >= 10 * size else f"{count / size:.1f} {unit}"
    return f"{count:.0f} bytes"


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_disk(folder: str | os.PathLike[str]) -> int:
    """Return how many bytes are free where `folder` is, or will be."""
    place = Path(folder).resolve()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def available_memory() -> int:
    """Return how many bytes this process can still take: what the machine has free, or its container."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) * 1024
        limit = Path("/sys/fs/cgroup/memory.max")
        if limit.exists() and (most := limit.read_text(encoding="ascii").strip()) != "max":
            used = int(limit.with_name("memory.current").read_text(encoding="ascii"))
            free = min(free, int(most) - used)
    except (OSError, StopIteration, ValueError):
        # Not a Linux machine, or one that hides its figures: all of its memory, which is an upper bound.
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return free


def check_fits(argument: str, what: str, need: int, remedy: str) -> None:
    """Raise `ValueError` where `need` bytes for `what` are not there; called before they are taken."""
    have = available_memory()
    if need > have:
        raise argument_error(
            argument,
            f"such that {what} fits into memory",
            f"a need of {need / 1e9:.1f} GB against {have / 1e9:.1f} GB available",
            remedy,
        )


def check_embeddings_fit(seeds: int, times: int, vocab_size: int, dim: int) -> None:
    """Raise `ValueError` where weights at all times, and a copy of them, do not fit into memory."""
    check_fits(
        "save_embeddings",
        f"{vocab_size} words at {times} times of {seeds} seeds",
        2 * 8 * seeds * times * vocab_size * dim,
        "Leave it out, or ask for fewer times.",
    )


def _readable_seconds(seconds: float) -> str:
    if seconds >= 2 * 3600:
        return f"{seconds / 3600:,.1f} hours"
    if seconds >= 120:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1g} s"
