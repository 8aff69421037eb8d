"""Where commands keep compiled code from one run to the next: a folder of the user's own."""

import hashlib
import os
import platform
from contextlib import suppress
from pathlib import Path

from w2vflow.support.ownership import is_own_folder

__all__ = ["compiled_code_folder"]


def compiled_code_folder() -> Path | None:
    """Return the folder in which commands keep what numba and JAX compile; None if it is not to be kept.

    `W2VFLOW_COMPILED` names it; with `off` nothing is kept. By default it is `w2vflow/compiled` among the
    user's caches, of mode 700, with a folder for each type of processor: code of one need not run on another.
    A folder that others can write to is not taken, since what is kept is run.
    """
    named = os.environ.get("W2VFLOW_COMPILED", "")
    if named.lower() in ("off", "0", "no", "false"):
        return None
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    top = Path(named) if named else caches / "w2vflow" / "compiled"
    with suppress(OSError, RuntimeError):
        folder = top.expanduser()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_own_folder(folder) and os.access(folder, os.W_OK):
            own = folder / _processor()
            own.mkdir(mode=0o700, exist_ok=True)
            return own
    return None


def _processor() -> str:
    """Return a name for the type of processor, by what instructions it has."""
    told = platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        told += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine() or 'processor'}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
