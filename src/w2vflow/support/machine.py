"""What this machine has for a computation: memory, cores, disk."""

import ctypes
import os
import shutil
from contextlib import suppress
from pathlib import Path

from w2vflow.support.checks import argument_error

__all__ = [
    "available_cores",
    "available_disk",
    "available_memory",
    "check_embeddings_fit",
    "check_fits",
    "existing_folder",
    "readable_bytes",
    "release_memory",
]


def readable_bytes(count: int | float) -> str:
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


def existing_folder(folder: str | os.PathLike[str]) -> Path:
    """Return a folder, or the nearest one above it that exists."""
    place = Path(folder).resolve()
    while not place.exists():
        place = place.parent
    return place


def available_disk(folder: str | os.PathLike[str]) -> int:
    """Return how many bytes are free where `folder` is, or will be."""
    return shutil.disk_usage(existing_folder(folder)).free


def available_memory() -> int:
    """Return how many bytes this process can still take, of the machine or of its container."""
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


def release_memory() -> None:
    """Give freed memory back to the system; glibc keeps it for every thread, other allocators do not."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def check_fits(argument: str, what: str, need: int, remedy: str) -> None:
    """Raise `ValueError` where `need` bytes for `what` are not there; called before they are taken."""
    have = available_memory()
    if need > have:
        got = f"a need of {need / 1e9:.1f} GB against {have / 1e9:.1f} GB available"
        raise argument_error(argument, f"such that {what} fits into memory", got, remedy)


def check_embeddings_fit(seeds: int, times: int, vocab_size: int, dim: int) -> None:
    """Raise `ValueError` where weights at all times, and a copy of them, do not fit into memory."""
    check_fits(
        "save_embeddings",
        f"{vocab_size} words at {times} times of {seeds} seeds",
        2 * 8 * seeds * times * vocab_size * dim,
        "Leave it out, or ask for fewer times.",
    )
