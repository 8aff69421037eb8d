"""Tensors of safetensors files, wherever these are."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from blake3 import blake3

from w2vflow.embeddings.ahead import Ahead
from w2vflow.support.checks import argument_error
from w2vflow.support.sources import Source

__all__ = ["DIGEST", "Tensors", "read_tensors", "tensors_digest"]

# The tensor beside vectors and words that holds their digest.
DIGEST = "blake3"

# Of a longer head, which no such file has, nothing is believed.
_LONGEST_HEAD = 10**8


class Tensors(NamedTuple):
    """The matrix of a file, how many rows it has in all, and the bytes of the tensor `words`, if any.

    `sealed` tells whether all of it was held against a digest.
    """

    matrix: np.ndarray
    rows: int
    words: bytes | None
    sealed: bool


def tensors_digest(vectors: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Return the BLAKE3 digest of the shape of vectors, of them and of the bytes of their words."""
    content = blake3(f"{vectors.dtype.str} {vectors.shape} ".encode(), max_threads=blake3.AUTO)
    for array in (vectors, words):
        content.update(np.ascontiguousarray(array).view(np.uint8).data)
    return np.frombuffer(content.digest(), np.uint8)


def read_tensors(source: Source, data: Ahead, limit: int | None) -> Tensors:
    """Return the first rows of the matrix `vectors`, or of the only one, and the words beside it.

    Raises:
        ValueError: a damaged file, no matrix or several, or numbers that NumPy does not have.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with _as_file(source, data, limit) as path, safe_open(path, framework="numpy") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
            chosen = _chosen(shapes)
            if chosen is None:
                got = f"{shapes} in {source.name}"
                raise argument_error("path", "a file with one matrix, or one named `vectors`", got)
            count, _ = shapes[chosen]
            # A range of a tensor of no rows cannot be asked for.
            matrix = file.get_slice(chosen)[: min(limit, count)] if limit else file.get_tensor(chosen)
            listed = file.get_tensor("words") if "words" in shapes else np.empty(0, np.uint8)
            # That of a file of which only the first rows are asked for is not known without the others.
            sealed = DIGEST in shapes and len(matrix) == count
            if sealed:
                _check_digest(file.get_tensor(DIGEST), tensors_digest(matrix, listed), source.name)
            words = listed.tobytes() if "words" in shapes else None
            return Tensors(matrix.astype(np.float32), count, words, sealed)
    except (SafetensorError, TypeError) as error:
        raise argument_error("path", "a safetensors file of float32", f"{source.name} ({error})") from error


def _check_digest(told: np.ndarray, found: np.ndarray, name: str) -> None:
    if not np.array_equal(told, found):
        got = f"{name}, which is damaged: its checksum is another"
        raise argument_error("path", "a file as it was saved", got, "Copy it again.")


def _chosen(shapes: dict[str, list[int]]) -> str | None:
    matrices = [name for name, shape in shapes.items() if len(shape) == 2]
    return "vectors" if "vectors" in matrices else matrices[0] if len(matrices) == 1 else None


@contextmanager
def _as_file(source: Source, data: Ahead, limit: int | None) -> Iterator[str]:
    """Yield the path of a file of this machine with what is to be read; elsewhere it may be empty."""
    if source.is_file and not source.is_packed:
        yield os.fspath(source)
        return
    with tempfile.NamedTemporaryFile() as file:
        if limit is None or source.is_stream or source.is_packed:
            while part := data.rest(2**20):
                file.write(part)
                data.at += len(part)
        else:
            with source.open_seekable() as stream:
                size, ranges = _needed(stream, limit)
                for start, end in ranges:
                    stream.seek(start)
                    file.seek(start)
                    while start < end and (part := stream.read(min(2**20, end - start))):
                        file.write(part)
                        start += len(part)
                # Of the rows that are not asked for there are places alone.
                file.truncate(max(size, file.tell()))
        file.flush()
        yield file.name


def _needed(stream: Any, limit: int) -> tuple[int, list[tuple[int, int]]]:
    """Return the size of a file by its head, and where that stands in it which is to be read."""
    start = 8 + int.from_bytes(stream.read(8), "little")
    if start > _LONGEST_HEAD:
        return start, [(0, start)]
    try:
        head = json.loads(stream.read(start - 8))
        head.pop("__metadata__", None)
        tensors = {name: (one["shape"], one["data_offsets"]) for name, one in head.items()}
        chosen = _chosen({name: shape for name, (shape, _) in tensors.items()})
        ranges = [(0, start)]
        for name, (shape, (first, last)) in tensors.items():
            if name == chosen and shape[0] > limit:
                last = first + (last - first) // shape[0] * limit
            if name in (chosen, "words", DIGEST):
                ranges.append((start + first, start + last))
        return start + max((last for _, (_, last) in tensors.values()), default=0), ranges
    except (ValueError, KeyError, TypeError, AttributeError):
        return start, [(0, start)]  # which its library refuses
