"""Compiled loops, kept on disk where that can be. Imported where one is needed: numba is slow to load."""

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba

__all__ = ["compiled", "compiled_folder"]


# What lets sums run in the lanes of a vector unit; infinite and undefined numbers stay what they are.
_REORDERED = {"reassoc", "contract", "nsz", "arcp"}


def compiled(function: Callable[..., Any], *, reorder: bool = False) -> Any:
    """Return a function compiled by numba at its first call, which runs without Python's lock.

    With `reorder`, floating sums may be taken in another order: the same on one machine, but not on all.

    Compiled code is kept for the next process, in a folder beside the source, in the user's cache or in
    `NUMBA_CACHE_DIR`.

    Warns:
        RuntimeWarning: no such folder can be written to; the function is compiled anew in every process.
    """
    fastmath = _REORDERED if reorder else False
    try:
        return numba.njit(nogil=True, cache=True, fastmath=fastmath)(function)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        _warn_once()
        return numba.njit(nogil=True, fastmath=fastmath)(function)


def compiled_folder() -> Path | None:
    """Return the folder in which compiled loops are kept, None where there is none that can be written."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        folder = compiled(_warn_once.__wrapped__).stats.cache_path
    return None if folder is None else Path(folder)


@cache
def _warn_once() -> None:
    warnings.warn(
        "Compiled loops cannot be kept, and are compiled anew in every process, for some seconds: numba "
        "finds no folder that it may write to. Set NUMBA_CACHE_DIR to one.",
        RuntimeWarning,
        stacklevel=3,
    )
