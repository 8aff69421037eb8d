"""Files that appear whole or not at all."""

import ctypes
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from w2vflow.support.checks import argument_error
from w2vflow.support.machine import available_disk, readable_bytes

__all__ = [
    "atomic_folder",
    "atomic_path",
    "check_writable_folder",
    "room_for",
    "scratch_folder",
    "write_bytes",
    "write_json",
    "write_text",
]

# A hidden name, then the machine and the process that writes it.
_TEMPORARY = re.compile(r"\..*\.writing-([0-9a-f]{8})-([0-9]+)-[0-9a-f]{8}(\..*)?")
# In a temporary folder, what stood in the place of the new one while the two are exchanged step by step.
_ASIDE = "replaced-"
_FULL = (errno.ENOSPC, errno.EDQUOT)
# `renameat2` of Linux, `renameatx_np` of macOS: the paths as the process sees them; exchange.
_HERE, _EXCHANGE = {"renameat2": -100, "renameatx_np": -2}, 2

# To ask for the mask of new files is to set it: two threads at once would leave none.
_ASKING = Lock()


def _umask() -> int:
    with _ASKING:
        mask = os.umask(0)
        os.umask(mask)
    return mask


@cache
def _machine() -> str:
    """Return what tells this machine, or this container with its own processes, from others."""
    spaces = Path("/proc/self/ns/pid")
    own = f"{socket.gethostname()} {os.readlink(spaces) if spaces.exists() else ''}"
    return hashlib.sha256(own.encode()).hexdigest()[:8]


def _temporary_name(target: Path, suffix: str) -> Path:
    """Return a new name beside the target, in a folder without the leavings of processes that are gone."""
    if not target.name:
        raise argument_error("path", "the path of a file or a folder", repr(str(target)))
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target.parent)
    # File systems hold names of 255 bytes.
    stem = target.stem.encode()[:150].decode(errors="ignore")
    return target.with_name(f".{stem}.writing-{_machine()}-{os.getpid()}-{secrets.token_hex(4)}{suffix}")


def _sweep(folder: Path) -> None:
    """Remove files and folders that processes of this machine were writing when they were killed."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(".")]
    for name in names:
        found = _TEMPORARY.fullmatch(name)
        if found is None or found[1] != _machine() or _is_alive(int(found[2])):
            continue
        left = folder / name
        if not left.is_dir() or left.is_symlink():
            left.unlink(missing_ok=True)
            continue
        for old in left.glob(f"{_ASIDE}*"):
            target = folder / old.name.removeprefix(_ASIDE)
            if not target.exists():
                old.rename(target)
        shutil.rmtree(left, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


@contextmanager
def room_for(target: Path, size: int) -> Iterator[None]:
    """Raise `OSError` with what there is and what it takes if the disk is full, before or in the block.

    Args:
        target: of the file or folder that is written.
        size: how many bytes it will take, 0 if that is not known.
    """
    if size > (free := available_disk(target.parent)):
        raise _full(target, f"{readable_bytes(size)} needed", free)
    try:
        yield
    except OSError as error:
        # NumPy says how many numbers were written, and no more.
        free = available_disk(target.parent)
        if error.errno not in _FULL and (error.errno is not None or free >= 2**20):
            raise
        raise _full(target, f"{readable_bytes(size)} needed" if size else "more needed", free) from error


def _full(target: Path, needed: str, free: int) -> OSError:
    text = f"No space left on device: {needed}, {readable_bytes(free)} free. What stood there before is whole"
    return OSError(errno.ENOSPC, text, str(target))


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two paths in one step; return whether the system can."""
    system = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None
    for name, here in _HERE.items():
        if hasattr(system, name):
            given = here, os.fsencode(one), here, os.fsencode(other), _EXCHANGE
            return getattr(system, name)(*given) == 0
    return False


@contextmanager
def atomic_path(path: str | os.PathLike[str], size: int = 0) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it onto `path` when the block ends well.

    The suffix is kept: writers choose their format by it. An exception leaves what stood at `path` before.
    What processes that are gone have left beside it is removed.

    Args:
        path: of the file.
        size: how many bytes it will take, if known, for which there must be room.

    Raises:
        OSError: the disk is full, before or while the block runs; or `path` cannot be written.
    """
    target = Path(path)
    temporary = _temporary_name(target, target.suffix)
    try:
        with room_for(target, size):
            # To be the first in creating it, as links in folders of others lead to files of anyone.
            temporary.touch(0o600, exist_ok=False)
            yield temporary
            # A writer's 0600 would make results unreadable to the colleagues they are shared with.
            temporary.chmod(0o666 & ~_umask())
            with temporary.open("rb+") as written:
                os.fsync(written.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty temporary folder beside `path`; put it in the place of `path` when the block ends well.

    A folder that stood at `path` is exchanged for the new one in one step where the system can do that, and
    removed afterwards. After an exception it is where it was. Errors are those of `atomic_path`.
    """
    target = Path(path).resolve()
    with scratch_folder(target) as around:
        new, old = around / target.name, around / f"{_ASIDE}{target.name}"
        new.mkdir()
        yield new
        if not target.exists():
            new.rename(target)
        elif not _exchanged(new, target):
            target.rename(old)
            try:
                new.rename(target)
            except OSError:
                old.rename(target)
                raise


@contextmanager
def scratch_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target`, for what is needed until that is written; then remove it.

    What a process that is killed leaves of it is removed by the next write beside it. Errors are those of
    `atomic_path`.
    """
    around = _temporary_name(target, "")
    try:
        with room_for(target, 0):
            around.mkdir()
            yield around
    finally:
        shutil.rmtree(around, ignore_errors=True)


def write_bytes(path: str | os.PathLike[str], *parts: bytes | memoryview) -> None:
    """Write the parts, one after the other, to `path`, atomically."""
    with atomic_path(path, sum(len(part) for part in parts)) as temporary, temporary.open("wb") as file:
        for part in parts:
            file.write(part)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 to `path`, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented JSON to `path`, atomically.

    Raises:
        ValueError: NaN or infinity in `value`: they are not JSON; write `None` instead.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def check_writable_folder(path: str | os.PathLike[str], argument: str) -> Path:
    """Return the folder `path`, created if need be; raise `ValueError` if nothing can be written there."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Without a name, where the system has such files: a kill leaves nothing.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        got, remedy = f"{folder} ({error.strerror})", "Choose another folder or change its permissions."
        raise argument_error(argument, "a folder that can be written", got, remedy) from error
    return folder


def plain(value: Any) -> Any:
    """Return the value with arrays and their scalars as Python's, and NaN as None, as JSON has it."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value
