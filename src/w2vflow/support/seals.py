"""Seals: the digest of a file at its end, by which damage is told before anything of it is read."""

import os

import numpy as np
from blake3 import blake3

from w2vflow.support.checks import argument_error

__all__ = ["checked_content", "seal_of"]

_MARK = b"\nw2vflow BLAKE3 "
_SIZE = len(_MARK) + 64 + 1


def seal_of(content: bytes | memoryview) -> bytes:
    """Return the line to write after the content: its BLAKE3 digest, which is of a tree of its parts."""
    return _MARK + blake3(content, max_threads=blake3.AUTO).hexdigest().encode() + b"\n"


def checked_content(path: str | os.PathLike[str]) -> tuple[np.ndarray, bool]:
    """Return the bytes of a file, its seal included, and whether there is one.

    Raises:
        OSError: the file cannot be read.
        ValueError: the bytes are not those that were sealed.
    """
    # An array of NumPy lies in large pages, which takes half of the time of `bytes`.
    whole = np.fromfile(path, np.uint8)
    seal = whole[-_SIZE:].tobytes()
    if not seal.startswith(_MARK):
        return whole, False
    if seal != seal_of(whole[:-_SIZE].data):
        got = f"{path}, which is damaged: its checksum is another"
        raise argument_error("path", "a file as it was saved", got, "Copy it again, or compute it anew.")
    return whole, True
