"""Counts from other programs: GloVe, matrices."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from w2vflow.counts.checks import counts_matrix
from w2vflow.counts.statistics import CooccurrenceStatistics
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.kinds import ArrayLike

__all__ = ["from_glove", "from_matrix"]

_RECORD = np.dtype([("row", "<i4"), ("column", "<i4"), ("value", "<f8")])


@checked
def from_glove(
    cooccurrence: str | os.PathLike[str],
    vocabulary: str | os.PathLike[str],
    source: str = "",
    *,
    directions: str = "both",
) -> CooccurrenceStatistics:
    """Return the counts in GloVe's `cooccurrence.bin` with the words of its `vocab.txt`.

    Args:
        cooccurrence, vocabulary: the files.
        source: where they come from, for the metadata.
        directions: `"both"`: the counts must be symmetric (GloVe's default) up to rounding, and are made
            symmetric exactly; `"right"`: counted with `-symmetric 0`, a word with what stands after it.

    Raises:
        ValueError: a file that is cut short, numbers beyond the vocabulary, or counts of one
            direction only that are not said to be.

    References:
        Pennington, Socher, Manning (2014), GloVe; the format of its `cooccur`.
    """
    if directions not in ("both", "right"):
        raise argument_error("directions", "'both' or 'right', as GloVe counts", repr(directions))
    size = Path(cooccurrence).stat().st_size
    if size % _RECORD.itemsize:
        expected = f"whole records of {_RECORD.itemsize} bytes"
        raise argument_error("cooccurrence", expected, f"{cooccurrence} of {size} bytes", "Copy it again.")
    words, unigram = _read_vocabulary(Path(vocabulary))
    records = np.fromfile(cooccurrence, _RECORD)
    rows, columns = records["row"] - 1, records["column"] - 1
    if len(records) and not (
        min(rows.min(), columns.min()) >= 0 and max(rows.max(), columns.max()) < len(words)
    ):
        got = f"word {max(rows.max(), columns.max()) + 1}"
        raise argument_error("cooccurrence", f"of the {len(words)} words of `vocabulary`", got)
    counts = sparse.csr_array((records["value"], (rows, columns)), shape=(len(words), len(words)))
    if directions == "right":
        return from_matrix(counts, words, unigram, source or "GloVe cooccur", directions=directions)
    gap = abs(counts - counts.T)
    if gap.nnz and gap.max() > 1e-6 * counts.max():
        remedy = 'Run GloVe\'s `cooccur` with -symmetric 1, or read them with `directions="right"`.'
        raise argument_error("cooccurrence", "symmetric", "counts of one direction", remedy)
    return from_matrix((counts + counts.T) / 2, words, unigram, source or "GloVe cooccur")


def _read_vocabulary(path: Path) -> tuple[list[str], list[int]]:
    """Return the words of GloVe's `vocab.txt` and how often each occurs."""
    words: list[str] = []
    unigram: list[int] = []
    # At newlines alone: a word may hold what else Python takes for the end of a line.
    for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        line = line.removesuffix(b"\r")
        if not line:
            continue
        word, _, times = line.rpartition(b" ")
        if not word or not times.isdigit():
            got = f"line {number} of {path}, {line[:60]!r}"
            raise argument_error("vocabulary", "a word and its count in every line", got)
        try:
            words.append(word.decode())
        except UnicodeDecodeError as error:
            raise argument_error("vocabulary", "UTF-8", f"line {number} of {path}, {line[:60]!r}") from error
        unigram.append(int(times))
    return words, unigram


@checked
def from_matrix(
    counts: ArrayLike,
    words: Sequence[str],
    unigram: Sequence[int] | np.ndarray | None = None,
    source: str = "",
    *,
    directions: str = "both",
) -> CooccurrenceStatistics:
    """Return the statistics of a SciPy sparse or NumPy matrix with a list of words.

    Args:
        counts: `(V, V)`.
        words: in row order.
        unigram: occurrences of each word; without them row sums, rounded up, stand in (of one direction, the
            larger of row and column sum).
        source: where they come from, for the metadata.
        directions: `"both"`, of a symmetric matrix, or as `CooccurrenceStatistics` has them.

    Raises:
        ValueError: as `CooccurrenceStatistics`.
    """
    matrix = counts_matrix(counts)
    if matrix.shape != (len(words), len(words)):
        expected = f"of shape {(len(words), len(words))}, as `words`"
        raise argument_error("counts", expected, f"shape {matrix.shape}")
    given = np.asarray(unigram)
    if unigram is None:
        given = np.ceil(np.maximum(matrix.sum(axis=1), matrix.sum(axis=0))).astype(np.int64)
    about = {"source": source, "counted_by": "others"}
    return CooccurrenceStatistics(tuple(words), matrix, given, about, directions=directions)
