"""The two stages of a count as tasks. Each leaves one file or folder, named by its content.

A task that finds its result does nothing. So a count that was killed goes on where it stopped, a
lost worker's task is simply done again, and no result depends on who did it or in which order. Files
end in their digest, by which a count that goes on tells what was damaged meanwhile.
"""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from w2vflow.corpus.counting.tokenizers import Tokenizer, code_points, cut_runs, number_texts, tokenizer
from w2vflow.corpus.reading.blocks import Block
from w2vflow.counts import RowBlock
from w2vflow.support.atomic_files import atomic_folder, atomic_path
from w2vflow.support.machine import available_cores
from w2vflow.support.seals import SEAL_BYTES, has_its_seal, seal_file

__all__ = [
    "Places",
    "RowGroup",
    "RowRange",
    "Run",
    "Thinning",
    "Words",
    "count_row_range",
    "counted_rows",
    "discard_damaged",
    "leave_arrays",
    "number_block",
    "open_tokens",
    "open_words",
    "pieces",
    "task_name",
    "word_places",
]


class Words(NamedTuple):
    """Words of a block, joined by line breaks as uint8, how often each occurs, and how many documents.

    A word may come twice, under two numbers.
    """

    joined: np.ndarray
    frequency: np.ndarray
    documents: int


class Thinning(NamedTuple):
    """Subsampling with a probability of keeping each word, by random numbers of place and seed alone."""

    keep: np.ndarray
    seed: int


class Places(NamedTuple):
    """Tokens as rows, -1 first, last and between documents, and where the places of each row are."""

    tokens: np.ndarray
    offsets: np.ndarray
    positions: np.ndarray


class RowGroup:
    """Blocks whose rows are counted together.

    Threads share the places of their words, found by the first task that asks and dropped after the last; a
    worker that is sent a task finds them for itself.

    Args:
        tokens: token files, in order.
        ranks: for each, a file with the row of each of its words, -1 for none.
        first_document: number of the first document in the corpus.
        vocab_size: V.
        keeps_gaps: words out of the vocabulary keep their place in windows.
        thinning: subsampling, or None.
        tasks: how many there are of these blocks.
    """

    def __init__(
        self,
        tokens: tuple[Path, ...],
        ranks: tuple[Path, ...],
        first_document: int,
        vocab_size: int,
        keeps_gaps: bool,
        thinning: Thinning | None,
        tasks: int,
    ) -> None:
        self._given = (tokens, ranks, first_document, vocab_size, keeps_gaps, thinning, tasks)
        self.tokens, self.ranks, self.first_document = tokens, ranks, first_document
        self.vocab_size, self.keeps_gaps, self.thinning = vocab_size, keeps_gaps, thinning
        self._left, self._lock = tasks, Lock()
        self._places: Places | None = None

    def __reduce__(self) -> Any:
        return RowGroup, self._given

    def places(self) -> Places:
        """Return the places of all words, for one of the tasks."""
        from w2vflow.corpus.counting.kernel import count_words

        with self._lock:
            if self._places is None:
                rows = _row_numbers(self)
                self._places = word_places(rows, count_words(rows, self.vocab_size))
            return self._places

    def leave(self) -> None:
        """Say that a task is done."""
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._places = None


class RowRange(NamedTuple):
    """A task of the second stage: some rows of the counts of some blocks.

    Attributes:
        group: the blocks.
        first, last: rows to count, `first <= row < last`.
        weights: int64 weight of a pair by its distance.
        entries: how many entries to hold in memory.
        directions: see `CountingRule`.
    """

    group: RowGroup
    first: int
    last: int
    weights: np.ndarray
    entries: int
    directions: str


def discard_damaged(folder: Path) -> None:
    """Remove the results in a folder that are not as they were left; they are then made again."""
    # What others have put there is not ours to remove.
    for path in (path for kind in ("tokens", "ranks", "run") for path in folder.glob(f"{kind}-*")):
        parts = list(path.iterdir()) if path.is_dir() else [path]
        if parts and all(map(has_its_seal, parts)):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def task_name(*parts: object) -> str:
    """Return a name made of the content of the parts."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            content: bytes = part.tobytes()
        else:
            content = part if isinstance(part, bytes) else repr(part).encode()
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()[:32]


def number_block(path: Path, block: Block, tokens: str | Tokenizer, shortest: int) -> Path:
    """Leave the words of a block as numbers at `path`; return the path."""
    if path.exists():
        return path
    if tokens == "latin":
        joined, numbers, frequency, kept = _latin_numbers(block, shortest)
    elif tokens == "unicode":
        joined, numbers, frequency, kept = _unicode_numbers(block, shortest)
    else:
        spans = zip(block.starts.tolist(), block.ends.tolist(), strict=True)
        texts = (block.text[start:end].decode() for start, end in spans)
        words, numbers, frequency, kept = number_texts(texts, tokenizer(tokens), shortest, end=-1)
        joined = np.frombuffer("\n".join(words).encode(), np.uint8)
    # Tokens last: they are most of the file, and the vocabulary is chosen without them.
    leave_arrays(path, frequency, joined, np.int64(kept), numbers)
    return path


def leave_arrays(path: Path, *arrays: Any) -> None:
    """Leave arrays in one file, one after the other, with its seal."""
    with atomic_path(path) as temporary:
        with temporary.open("wb") as file:
            for values in arrays:
                np.save(file, values, allow_pickle=False)
        seal_file(temporary)


def _latin_numbers(block: Block, shortest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    from w2vflow.corpus.counting import text_kernel as kernel

    text = np.frombuffer(block.text, np.uint8)
    letters, ends = kernel.lower_latin(text, block.starts, block.ends, kernel.LETTERS)
    found = kernel.number_words(letters, ends, shortest, kernel.SPAN_LATIN)
    numbers, places, lengths, frequency, kept = found
    return kernel.gather_words(letters, places, lengths), numbers, frequency, kept


def _unicode_numbers(block: Block, shortest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    from w2vflow.corpus.counting import text_kernel as kernel

    text = np.frombuffer(block.text, np.uint8)
    letters, ends = kernel.split_runs(text, block.starts, block.ends, kernel.LETTERS, code_points())
    tokens, places, lengths, *_ = kernel.number_words(letters, ends, 0, kernel.SPAN_UNICODE)
    # Runs of a to z are words. Of the others only the different ones are cut in Python: a thousandth of all.
    plain = kernel.are_latin(letters, places, lengths)
    known, beyond = int(plain.sum()), ~plain
    runs = kernel.gather_words(letters, places[beyond], lengths[beyond]).tobytes().decode()
    words, counts, parts = cut_runs(runs.split("\n") if known < len(places) else [])
    offsets = np.zeros(len(places) + 1, np.int64)
    offsets[1:][plain], offsets[1:][beyond] = 1, counts
    offsets = np.cumsum(offsets)
    held = np.full(offsets[-1], -1, np.int32)
    held[offsets[:-1][plain]] = np.arange(known)
    held[held < 0] = np.array(parts, np.int32) + known
    numbers, frequency, kept = kernel.substitute(tokens, offsets, held, known + len(words), shortest)
    joined = [kernel.gather_words(letters, places[plain], lengths[plain]).tobytes()] if known else []
    joined += ["\n".join(words).encode()] if words else []
    return np.frombuffer(b"\n".join(joined), np.uint8), numbers, frequency, kept


def open_words(path: Path) -> Words:
    """Return the words that `number_block` left."""
    with path.open("rb") as file:
        frequency, joined, kept = (np.load(file, allow_pickle=False) for _ in range(3))
    return Words(joined, frequency, int(kept))


def open_tokens(path: Path) -> tuple[np.ndarray, int]:
    """Return the word numbers that `number_block` left, -1 after every document, and how many documents."""
    with path.open("rb") as file:
        _, _, kept, numbers = (np.load(file, allow_pickle=False) for _ in range(4))
    return numbers, int(kept)


def count_row_range(folder: Path, task: RowRange) -> Path:
    """Leave the counts of some rows of some blocks in `folder`; return the folder."""
    try:
        if not folder.exists():
            _leave_rows(folder, task)
    finally:
        task.group.leave()
    return folder


def _leave_rows(folder: Path, task: RowRange) -> None:
    rows = counted_rows(
        task.group.places(), task.first, task.last, task.weights, task.entries, task.directions
    )
    row_lengths = []
    # A worker that was thought lost may have done the same meanwhile: then one takes the place of its equal.
    with atomic_folder(folder) as temporary:
        with (
            (temporary / "columns").open("wb") as column_file,
            (temporary / "counts").open("wb") as count_file,
        ):
            for lengths, columns, counts in rows:
                row_lengths.append(lengths)
                columns.tofile(column_file)
                counts.tofile(count_file)
        np.save(temporary / "lengths.npy", np.concatenate(row_lengths), allow_pickle=False)
        for file in temporary.iterdir():
            seal_file(file)


def word_places(tokens: np.ndarray, frequency: np.ndarray) -> Places:
    """Return the places of the words, which occur so often among the tokens."""
    from w2vflow.corpus.counting.kernel import fill_positions

    offsets = np.concatenate([[0], np.cumsum(frequency)])
    positions = np.empty(offsets[-1], np.int32 if len(tokens) < 2**31 else np.int64)
    fill_positions(tokens, offsets[:-1].copy(), positions)
    return Places(tokens, offsets, positions)


def counted_rows(
    places: Places, first: int, last: int, weights: np.ndarray, entries: int, directions: str = "both"
) -> Iterator[RowBlock]:
    """Yield rows from `first` to `last`, about `entries` at a time: of the upper triangle, or whole.

    `places` are of all V words, whose tokens are their numbers, V for words out of the vocabulary; `weights`
    are by distance. Columns and counts are overwritten by the next ones.
    """
    from w2vflow.corpus.counting.kernel import count_rows

    tokens, offsets, positions = places
    vocab_size = len(offsets) - 1
    row, lengths = np.zeros(vocab_size + 1, np.int64), np.zeros(last - first, np.int64)
    entries = max(entries, vocab_size)
    # Half the bytes where no count can be larger: all counts of a word together are bounded.
    most = int(np.diff(offsets[first : last + 1]).max(initial=0))
    kind = np.uint32 if 2 * int(weights.sum()) * most < 2**32 else np.int64
    columns, counts = np.empty(entries, np.int32), np.empty(entries, kind)
    done = 0
    while done < len(lengths):
        rows, used = count_rows(
            tokens, weights, vocab_size, first + done, offsets[first + done : last + 1], positions,
            row, lengths[done:], columns, counts, directions != "right", directions != "left",
        )  # fmt: skip
        yield RowBlock(lengths[done : done + rows], columns[:used], counts[:used])
        done += rows


class Run:
    """Rows that `count_row_range` left, read a few at a time; a memory map would count as memory.

    Attributes:
        lengths: entries of each row, int64.
        entries: how many there are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.lengths = np.load(folder / "lengths.npy", allow_pickle=False)
        self.entries = int(self.lengths.sum())
        half = (folder / "counts").stat().st_size == 4 * self.entries + SEAL_BYTES
        self._kind: type[np.integer[Any]] = np.uint32 if half else np.int64

    def columns(self, start: int, end: int) -> np.ndarray:
        """Return the columns of some entries."""
        return np.fromfile(self._folder / "columns", np.int32, end - start, offset=4 * start)

    def counts(self, start: int, end: int) -> np.ndarray:
        """Return the counts of some entries, uint32 or int64."""
        size = np.dtype(self._kind).itemsize
        return np.fromfile(self._folder / "counts", self._kind, end - start, offset=size * start)


def _row_numbers(group: RowGroup) -> np.ndarray:
    """Return the tokens of all blocks as rows, -1 first, last and between documents."""
    first = [group.first_document] * len(group.tokens)
    if group.thinning is not None:
        documents = [open_words(path).documents for path in group.tokens[:-1]]
        first = (group.first_document + np.cumsum([0, *documents])).tolist()
    with ThreadPoolExecutor(available_cores()) as pool:
        rows = pool.map(partial(_block_rows, group), group.tokens, group.ranks, first)
        return np.concatenate([np.array([-1], np.int32), *rows])


def _block_rows(group: RowGroup, token_path: Path, rank_path: Path, first_document: int) -> np.ndarray:
    from w2vflow.corpus.counting.kernel import rank_tokens

    gap = np.int32(group.vocab_size)
    numbers, rank = open_tokens(token_path)[0], np.load(rank_path, allow_pickle=False)
    rank[rank < 0] = gap
    # A last entry for the ends of documents, which are numbered -1.
    rank = np.append(rank, np.int32(-1))
    if group.thinning is not None:
        thinned = rank[numbers]
        thinned[_thinned(thinned, group.thinning, first_document)] = gap
        numbers, rank = thinned, np.append(np.arange(gap + 1, dtype=np.int32), np.int32(-1))
    return rank_tokens(numbers, rank, gap, group.keeps_gaps)


def _thinned(rows: np.ndarray, thinning: Thinning, first_document: int) -> np.ndarray:
    """Return which tokens to drop: a hash of seed, document and place against the keep probability."""
    ends = rows == -1
    number = np.cumsum(ends) - ends
    starts = np.concatenate([[0], np.flatnonzero(ends) + 1])
    place = np.arange(len(rows)) - starts[number]
    key = (number + first_document).astype(np.uint64) << np.uint64(32)
    random = _mixed(_mixed(key + place.astype(np.uint64)) ^ _mixed(np.full(1, thinning.seed, np.uint64)))
    keep = np.append(thinning.keep, [1.0, 1.0])
    return (random >> np.uint64(11)) * 2.0**-53 >= keep[rows]


def _mixed(values: np.ndarray) -> np.ndarray:
    """Return well-mixed 64-bit values (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values + np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def pieces(total: Sequence[int] | np.ndarray, parts: int) -> list[int]:
    """Return bounds that cut a list of loads into parts of about equal load."""
    running = np.cumsum(total)
    goals = running[-1] * np.arange(1, parts) / parts
    return sorted({0, *(np.searchsorted(running, goals) + 1).tolist(), len(running)})
