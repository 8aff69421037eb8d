"""Seals: BLAKE3 digests of files and records, by which damage is told before anything of them is used."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3

from w2vflow.support.checks import argument_error

__all__ = [
    "SEAL_BYTES",
    "checked_content",
    "file_digest",
    "has_its_digest",
    "has_its_seal",
    "read_record",
    "seal_file",
    "seal_of",
    "with_digest",
]

_DIGEST = "blake3"

_MARK = b"\nw2vflow BLAKE3 "
SEAL_BYTES = len(_MARK) + 64 + 1


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
    seal = whole[-SEAL_BYTES:].tobytes()
    if not seal.startswith(_MARK):
        return whole, False
    if seal != seal_of(whole[:-SEAL_BYTES].data):
        got = f"{path}, which is damaged: its checksum is another"
        raise argument_error("path", "a file as it was saved", got, "Copy it again, or compute it anew.")
    return whole, True


def seal_file(path: str | os.PathLike[str]) -> None:
    """Add the seal to a file, which need not fit in memory."""
    line = _MARK + file_digest(path).encode() + b"\n"
    with open(path, "ab") as file:
        file.write(line)


def has_its_seal(path: str | os.PathLike[str]) -> bool:
    """Return whether a file ends in its seal, which need not fit in memory."""
    size = os.path.getsize(path) - SEAL_BYTES
    if size < 0:
        return False
    with open(path, "rb") as file:
        file.seek(size)
        seal = file.read()
    content = np.memmap(path, np.uint8, "r", shape=(size,)) if size else np.empty(0, np.uint8)
    return seal == seal_of(content.data)


def file_digest(path: str | os.PathLike[str]) -> str:
    """Return the digest of a file, which need not fit in memory."""
    return blake3(max_threads=blake3.AUTO).update_mmap(path).hexdigest()


def read_record(path: str | os.PathLike[str]) -> Any:
    """Return the JSON values of a file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON, or lists in lists in lists, of which Python's reader has its own error.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError(str(error)) from error


def with_digest(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of JSON values with the digest of the rest of it."""
    return {**record, _DIGEST: _record_digest(record)}


def has_its_digest(record: Mapping[str, Any]) -> bool:
    """Return whether a record from a file is as `with_digest` made it."""
    return record.get(_DIGEST) == _record_digest({k: v for k, v in record.items() if k != _DIGEST})


def _record_digest(record: Mapping[str, Any]) -> str:
    return blake3(json.dumps(record, sort_keys=True).encode()).hexdigest()
