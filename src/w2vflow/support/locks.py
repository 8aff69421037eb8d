"""Folders that one process uses at a time."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from w2vflow.support.checks import argument_error

__all__ = ["sole_use"]


@contextmanager
def sole_use(folder: Path, argument: str) -> Iterator[None]:
    """Hold a folder while the block runs; the system lets go of it when the process ends, however it ends.

    Raises:
        ValueError: another run holds it, said of `argument`.
    """
    try:
        import fcntl
    except ImportError:  # a system without these locks
        yield
        return
    with (folder / ".lock").open("w") as file:
        # Some file systems of networks have no locks.
        with contextlib.suppress(OSError):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                remedy = "Wait for it to end, or choose another."
                expected = "one that no other run is at work on"
                raise argument_error(argument, expected, f"that of {folder}", remedy) from error
        yield
