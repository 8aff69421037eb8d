"""Statistics file: counts in blocks of rows, written and read a block at a time.

A zip archive that `numpy.load` opens. `manifest.json` says what is in it, `words.txt` names the
rows, and `block-<n>/` holds consecutive rows in CSR form: how many entries each row has, the steps from
column to column, and the counts, in units of `1 / denominator`. Of counts of both directions, which are
symmetric, rows are those of the upper triangle; counts of one direction have whole rows, a key `directions`
and format version 2, which readers of version 1 refuse. Integers are stored as byte planes (all lowest bytes
first), which lets deflate halve them. Nothing depends on the time or the machine.
"""

import hashlib
import json
import os
import zipfile
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from w2vflow.counts.checks import check_denominator, check_occurrences
from w2vflow.support.arguments import checked
from w2vflow.support.atomic_files import atomic_path
from w2vflow.support.checks import argument_error
from w2vflow.support.packed_files import check_expansion

__all__ = ["DIRECTIONS", "ContentHash", "CountFile", "RowBlock", "cut_blocks", "write_count_file"]

DIRECTIONS = ("both", "left", "right")

_FORMAT = "w2vflow-cooccurrence"
# Of counts of both directions, and of one.
_VERSION, _DIRECTED = 1, 2
# Entries in a block: 2^20 entries are 16 MB in memory.
_BLOCK = 2**20
_HASHED = 2**18
# Bytes of the head of an array, at most.
_HEAD = 2**12
_PACKERS = 2
_LEVEL = 4


class RowBlock(NamedTuple):
    """Consecutive rows in CSR form: of the upper triangle, or whole if one direction was counted.

    Attributes:
        row_lengths: entries of each row, int64.
        columns: column of every entry, rising within a row, integer.
        counts: int64, in units of `1 / denominator`.
    """

    row_lengths: np.ndarray
    columns: np.ndarray
    counts: np.ndarray


class ContentHash:
    """SHA-256 of words and counts, fed block by block however they are cut: the identity of counts."""

    def __init__(self, words: Sequence[str], unigram: np.ndarray, denominator: int, directions: str) -> None:
        self._parts = [hashlib.sha256() for _ in range(4)]
        self._parts[0].update("\n".join(words).encode())
        self._parts[0].update(np.asarray(unigram, "<i8").tobytes() + str(denominator).encode())
        if directions != "both":
            self._parts[0].update(directions.encode())

    def update(self, block: RowBlock) -> None:
        for part, values in zip(self._parts[1:], block, strict=True):
            # A part at a time: as int64 they take twice the memory or more.
            for start in range(0, len(values), _HASHED):
                part.update(np.ascontiguousarray(values[start : start + _HASHED], "<i8").data)

    def hexdigest(self) -> str:
        return hashlib.sha256(b"".join(part.digest() for part in self._parts)).hexdigest()


def cut_blocks(blocks: Iterable[RowBlock]) -> Iterator[RowBlock]:
    """Yield the same rows in blocks that do not depend on how the counting was divided.

    A block ends with the row that brings it to 2^20 entries.
    """
    waiting: list[RowBlock] = []
    entries = 0
    for block in blocks:
        ends = np.cumsum(block.row_lengths)
        first = 0
        while first < len(ends):
            before = ends[first - 1] if first else 0
            last = min(int(np.searchsorted(ends, _BLOCK - entries + before)) + 1, len(ends))
            waiting.append(_rows(block, ends, first, last))
            entries, first = entries + len(waiting[-1].columns), last
            if entries >= _BLOCK:
                yield _join(waiting)
                waiting, entries = [], 0
    if waiting:
        yield _join(waiting)


@checked
def write_count_file(
    path: str | os.PathLike[str],
    words: Sequence[str],
    unigram: np.ndarray,
    blocks: Iterable[RowBlock],
    metadata: Mapping[str, Any],
    denominator: int = 1,
    directions: str = "both",
) -> None:
    """Write a count file from blocks of rows, atomically, one block in memory at a time.

    Args:
        path: the file.
        words, unigram, metadata: as `CooccurrenceStatistics` has them.
        blocks: all rows in order, of the upper triangle if both directions were counted, else whole.
        denominator: the counts are in units of `1 / denominator`; 0 for bit patterns of float64.
        directions: as `CooccurrenceStatistics` has them.

    Raises:
        ValueError: a word with a line break in it, unknown directions, occurrences or a denominator that are
            not whole.
        OSError: the file cannot be written; what stood there is kept.
    """
    if any("\n" in word for word in words):
        raise argument_error("words", "free of line breaks", "a word with one in it")
    if directions not in DIRECTIONS:
        raise argument_error("directions", f"one of {sorted(DIRECTIONS)}", repr(directions))
    denominator, unigram = check_denominator(denominator, 0), np.asarray(unigram)
    check_occurrences(unigram)
    if unigram.shape != (len(words),):
        raise argument_error("unigram", f"of shape ({len(words)},)", f"shape {unigram.shape}")
    content = ContentHash(words, unigram, denominator, directions)
    number = pairs = 0
    with (
        atomic_path(path) as temporary,
        zipfile.ZipFile(temporary, "w") as archive,
        ThreadPoolExecutor(_PACKERS) as pool,
    ):
        # Blocks are packed while the next ones come.
        packing: deque[Future[list[_Member]]] = deque()
        for number, block in enumerate(cut_blocks(blocks), 1):
            packing.append(pool.submit(_members, f"block-{number:05d}", block))
            content.update(block)
            pairs += len(block.counts)
            if len(packing) > _PACKERS:
                _add_all(archive, packing.popleft().result())
        for packed in packing:
            _add_all(archive, packed.result())
        one_way = {} if directions == "both" else {"directions": directions}
        manifest = {
            "format": _FORMAT,
            "version": _DIRECTED if one_way else _VERSION,
            **one_way,
            "vocab_size": len(words),
            "pairs": pairs,
            "blocks": number,
            "denominator": denominator,
            "sha256": content.hexdigest(),
            "metadata": dict(metadata),
        }
        text = json.dumps(manifest, indent=1, sort_keys=True)
        _add(archive, _Member("manifest.json", text.encode()))
        _add(archive, _Member("words.txt", "\n".join(words).encode()))
        _add(archive, _Member("unigram.npy", _npy(np.asarray(unigram, np.int64))))


@checked
class CountFile:
    """A count file open for reading, block by block.

    Attributes:
        words, unigram, metadata, denominator, directions, pairs: as written.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, cut short, or not one of ours.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        if not self._path.is_file():
            raise FileNotFoundError(f"There is no statistics file {path}. Make one with `w2vflow count`.")
        try:
            with zipfile.ZipFile(self._path) as archive:
                every = archive.infolist()
                packed, unpacked = (sum(sizes) for sizes in zip(*map(_sizes, every), strict=True))
                check_expansion("path", str(self._path), unpacked, packed)
                manifest = json.loads(archive.read("manifest.json"))
                if manifest["format"] != _FORMAT:
                    raise ValueError(f"format {manifest['format']!r}")
                if manifest["version"] > _DIRECTED:
                    raise ValueError(f"format version {manifest['version']}, newer than {_DIRECTED}")
                self.words = tuple(archive.read("words.txt").decode().split("\n"))
                self.unigram = _integers(archive, "unigram.npy", len(self.words))
                self.metadata: dict[str, Any] = manifest["metadata"]
                self.denominator: int = manifest["denominator"]
                one_way = manifest["version"] == _DIRECTED
                self.directions: str = manifest["directions"] if one_way else "both"
                if self.directions not in DIRECTIONS:
                    raise ValueError(f"directions {self.directions!r}")
                self.pairs: int = manifest["pairs"]
                self._blocks: int = manifest["blocks"]
                self._sha256: str = manifest["sha256"]
                _check_manifest(manifest, self.words, self.unigram)
        except _DAMAGE as error:
            raise self._damaged(error) from error

    def blocks(self) -> Iterator[RowBlock]:
        """Yield the blocks in order; the checksum is verified after the last.

        Raises:
            ValueError: the file is damaged.
        """
        content = ContentHash(self.words, self.unigram, self.denominator, self.directions)
        size, rows, pairs = len(self.words), 0, 0
        try:
            with zipfile.ZipFile(self._path) as archive:
                for number in range(1, self._blocks + 1):
                    folder = f"block-{number:05d}"
                    most = _BLOCK + size
                    lengths = _integers(archive, f"{folder}/row_lengths.npy", size)
                    steps = _integers(archive, f"{folder}/column_steps.npy", most)
                    columns = _columns(lengths, steps)
                    block = RowBlock(lengths, columns, _integers(archive, f"{folder}/counts.npy", most))
                    _check_block(block, size)
                    rows, pairs = rows + len(lengths), pairs + len(columns)
                    content.update(block)
                    yield block
            if (rows, pairs) != (size, self.pairs):
                raise ValueError(f"{rows} rows and {pairs} pairs of {size} and {self.pairs}")
            if content.hexdigest() != self._sha256:
                raise ValueError("its checksum disagrees with its content")
        except _DAMAGE as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> ValueError:
        got = f"{self._path}, which is truncated, damaged or of another kind ({error})"
        remedy = "Copy it again, or count again with `w2vflow count`."
        return argument_error("path", "a whole statistics file of this package", got, remedy)


_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    TypeError,
    ValueError,
    IndexError,
    RuntimeError,
)


def _check_manifest(manifest: Mapping[str, Any], words: Sequence[str], unigram: np.ndarray) -> None:
    """Raise `ValueError` unless each number is one that these words can have.

    Pairs are counted as they are read.
    """
    size = len(words)
    limits = {
        "version": (1, _DIRECTED),
        "vocab_size": (size, size),
        "pairs": (0, size**2),
        # Of one row at least.
        "blocks": (1, size),
        "denominator": (0, 2**63),
    }
    for name, (least, most) in limits.items():
        if type(manifest[name]) is not int or not least <= manifest[name] <= most:
            raise ValueError(f"{name} {manifest[name]!r} for {size} words")
    if not isinstance(manifest["metadata"], dict):
        raise ValueError("metadata without names")
    if unigram.shape != (size,) or (unigram < 0).any():
        raise ValueError(f"occurrences of {len(unigram)} words for {size}, or negative ones")


def _check_block(block: RowBlock, size: int) -> None:
    """Raise `ValueError` unless columns are those of words: compiled code would read beside the arrays."""
    if len(block.columns) != len(block.counts):
        raise ValueError("counts that disagree with their columns")
    if len(block.columns) and not 0 <= block.columns.min() <= block.columns.max() < size:
        raise ValueError(f"columns that are none of {size} words")


def _rows(block: RowBlock, ends: np.ndarray, first: int, last: int) -> RowBlock:
    start = ends[first - 1] if first else 0
    entries = slice(int(start), int(ends[last - 1]))
    return RowBlock(block.row_lengths[first:last], block.columns[entries], block.counts[entries])


def _join(blocks: list[RowBlock]) -> RowBlock:
    """Return the rows of all blocks together; the list is emptied on the way, as they are large."""
    if len(blocks) == 1:
        return blocks.pop()
    lengths, columns, counts = (list(parts) for parts in zip(*blocks, strict=True))
    blocks.clear()
    joined = []
    for parts in (lengths, columns, counts):
        joined.append(np.concatenate(parts))
        parts.clear()
    return RowBlock(*joined)


def _add_all(archive: zipfile.ZipFile, members: "list[_Member]") -> None:
    for member in members:
        _add(archive, member)


class _Member:
    """A file of the archive, packed; takes the place of the compressor of `zipfile`, which packs on one core.

    Planes are runs and noise: packed without a search for longer repetitions they take half the time and less
    room.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self.name, self.content = name, content
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15, 9, zlib.Z_RLE)
        self._packed = packer.compress(content) + packer.flush()

    def compress(self, content: bytes) -> bytes:
        return b""

    def flush(self) -> bytes:
        return self._packed


def _members(folder: str, block: RowBlock) -> list[_Member]:
    return [
        _Member(f"{folder}/row_lengths.npy", _npy(block.row_lengths)),
        _Member(f"{folder}/column_steps.npy", _npy(_column_steps(block))),
        _Member(f"{folder}/counts.npy", _npy(block.counts)),
    ]


def _column_steps(block: RowBlock) -> np.ndarray:
    """Return the step to each entry's column from the one before it, from 0 at the start of a row."""
    columns = np.asarray(block.columns)
    steps = np.diff(columns, prepend=columns.dtype.type(0))
    starts = (np.cumsum(block.row_lengths) - block.row_lengths)[block.row_lengths > 0]
    steps[starts] = columns[starts]
    return steps


def _columns(lengths: np.ndarray, steps: np.ndarray) -> np.ndarray:
    if lengths.sum() != len(steps):
        raise ValueError("row lengths that disagree with the entries")
    running = np.cumsum(steps)
    before = np.concatenate([[0], running])[np.cumsum(lengths) - lengths]
    return running - np.repeat(before, lengths)


def _npy(values: np.ndarray) -> bytes:
    """Return the byte planes of integers as an `.npy` file, without the planes that are all 0."""
    lowest, highest = int(np.min(values, initial=0)), int(np.max(values, initial=0))
    used = 8 if lowest < 0 else max(1, (highest.bit_length() + 7) // 8)
    width = 1 << (used - 1).bit_length()
    narrow = np.ascontiguousarray(values).astype(f"<u{width}")
    planes = np.ascontiguousarray(narrow.view(np.uint8).reshape(-1, width)[:, :used].T)
    buffer = BytesIO()
    np.save(buffer, planes, allow_pickle=False)
    return buffer.getvalue()


def _sizes(member: zipfile.ZipInfo) -> tuple[int, int]:
    return member.compress_size, member.file_size


def _integers(archive: zipfile.ZipFile, name: str, most: int) -> np.ndarray:
    """Return integers, of which there are so many at most; nothing is allocated by what a head says."""
    if archive.getinfo(name).file_size > 8 * most + _HEAD:
        raise ValueError(f"{name} holds more than {most} numbers")
    content = BytesIO(archive.read(name))
    np.lib.format.read_magic(content)
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(content)
    if dtype != np.uint8 or len(shape) != 2 or by_columns or not 1 <= shape[0] <= 8:
        raise ValueError(f"{name} holds no byte planes")
    planes = np.frombuffer(content.read(), np.uint8).reshape(shape)
    whole = np.zeros((planes.shape[1], 8), np.uint8)
    whole[:, : len(planes)] = planes.T
    return whole.view("<i8")[:, 0].astype(np.int64)


def _add(archive: zipfile.ZipFile, member: _Member) -> None:
    # A fixed date and system: the same counts are the same bytes whenever and wherever written.
    entry = zipfile.ZipInfo(member.name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    entry.file_size = len(member.content)
    with archive.open(entry, "w") as opened:
        # Not public; without it the archive would be packed again, and as good.
        unpacked: Any = opened
        unpacked._compressor = member
        opened.write(member.content)
