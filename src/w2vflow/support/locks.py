"""Folders that one process uses at a time."""

import contextlib
import os
import secrets
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from w2vflow.support.checks import argument_error

__all__ = ["hold", "hold_in_turn", "sole_use", "this_process"]


def this_process() -> str:
    """Return by what a person finds this process."""
    return f"process {os.getpid()} of {socket.gethostname()}"


def hold(path: Path, holder: str, argument: str) -> IO[str] | None:
    """Return an open file that no other process can hold until it is closed, or its process ends.

    The file names who holds it. Of one process, a run that goes on after an error holds what the run before
    left open. None where the system has no such locks.

    Raises:
        ValueError: another process holds it, said of `argument`.
    """
    try:
        import fcntl
    except ImportError:  # a system without these locks
        return None
    file = path.open("a+", encoding="utf-8")
    # Some file systems of networks have no locks.
    with contextlib.suppress(OSError):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            other = file.read(200)
            file.close()
            if other == holder:
                return None
            got = f"{path.parent}, on which {other or 'another process'} is at work"
            remedy = "Wait for it to end, or choose another."
            raise argument_error(argument, "a folder that no other run is at work on", got, remedy) from error
    # On a full disk without the name, which the next file to be written there reports.
    with contextlib.suppress(OSError):
        file.truncate(0)
        os.write(file.fileno(), holder.encode())
    return file


def hold_in_turn(file: BinaryIO, what: str) -> None:
    """Hold an open file until it is closed, or its process ends; wait while another process does.

    Nothing is held where the system or the file system has no such locks.

    Warns:
        UserWarning: another one is waited for.
    """
    try:
        import fcntl
    except ImportError:  # a system without these locks
        return
    with contextlib.suppress(OSError):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            warnings.warn(f"Another process is at work on {what}; this one waits for its end.", stacklevel=2)
            fcntl.flock(file, fcntl.LOCK_EX)


@contextmanager
def sole_use(folder: Path, argument: str) -> Iterator[None]:
    """Hold a folder while the block runs; the system lets go of it when the process ends, however it ends.

    Raises:
        ValueError: another run holds it, said of `argument`.
    """
    file = hold(folder / ".lock", f"{this_process()} ({secrets.token_hex(4)})", argument)
    try:
        yield
    finally:
        if file is not None:
            file.close()
