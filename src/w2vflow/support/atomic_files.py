"""Files that appear whole or not at all."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from w2vflow.support.checks import argument_error

__all__ = ["atomic_folder", "atomic_path", "check_writable_folder", "write_json", "write_text"]


# To ask for the mask of new files is to set it: two threads at once would leave none.
_ASKING = Lock()


def _umask() -> int:
    with _ASKING:
        mask = os.umask(0)
        os.umask(mask)
    return mask


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it onto `path` when the block ends well.

    The suffix is kept: writers choose their format by it. An exception leaves what stood at `path` before.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp's 0600 would make results unreadable to the colleagues they are shared with.
        temporary.chmod(0o666 & ~_umask())
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty temporary folder beside `path`; rename it onto `path` when the block ends well.

    A folder that stood at `path` is moved aside first, as folders cannot be replaced at once, and removed
    at the end. After an exception it is where it was.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that moving is renaming.
    around = Path(tempfile.mkdtemp(prefix=f".{target.stem}-", dir=target.parent))
    new, old = around / target.name, around / f"old-{target.name}"
    try:
        new.mkdir()
        yield new
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    finally:
        shutil.rmtree(around)


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
        with tempfile.NamedTemporaryFile(dir=folder):
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
