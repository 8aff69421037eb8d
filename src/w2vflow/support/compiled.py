"""Compiled loops, kept on disk where that can be. Imported where one is needed: numba is slow to load."""

import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba

from w2vflow.support.ownership import is_own_folder

__all__ = ["compiled", "compiled_folder"]


# What lets sums run in the lanes of a vector unit; infinite and undefined numbers stay what they are.
_REORDERED = {"reassoc", "contract", "nsz", "arcp"}


def compiled(function: Callable[..., Any], *, reorder: bool = False) -> Any:
    """Return a function compiled by numba at its first call, which runs without Python's lock.

    With `reorder`, floating sums may be taken in another order: the same on one machine, but not on all.

    Compiled code is kept for the next process, in a folder beside the source, in the user's cache or in
    `NUMBA_CACHE_DIR`, if no other user can write there: what is kept is run.

    Warns:
        RuntimeWarning: there is no such folder; the function is compiled anew in every process.
    """
    fastmath = _REORDERED if reorder else False
    if named := getattr(numba.config, "CACHE_DIR", ""):
        # Numba would make it as the mask of new files has it. Where it cannot be made, numba looks elsewhere.
        with suppress(OSError):
            Path(named).mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        kept = numba.njit(nogil=True, cache=True, fastmath=fastmath)(function)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        _warn_once("numba finds no folder that it may write to")
        return numba.njit(nogil=True, fastmath=fastmath)(function)
    folder = Path(str(kept.stats.cache_path))
    if not _is_own(folder, Path(function.__code__.co_filename)):
        _warn_once(f"others can write to {folder}, and what is kept there is run")
        return numba.njit(nogil=True, fastmath=fastmath)(function)
    return kept


@cache
def _is_own(folder: Path, source: Path) -> bool:
    own = is_own_folder(folder, source)
    if own and folder.name != "__pycache__" and not any(folder.iterdir()):
        folder.chmod(0o700)
    return own


def compiled_folder() -> Path | None:
    """Return the folder in which compiled loops are kept, None where there is none of the user's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        folder = compiled(_warn_once.__wrapped__).stats.cache_path
    return None if folder is None else Path(folder)


@cache
def _warn_once(reason: str) -> None:
    warnings.warn(
        f"Compiled loops cannot be kept, and are compiled anew in every process, for some seconds: {reason}. "
        "Set NUMBA_CACHE_DIR to a folder of your own.",
        RuntimeWarning,
        stacklevel=3,
    )
