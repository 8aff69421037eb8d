"""Co-occurrence statistics of a corpus: all that word2vec learns from it."""

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from w2vflow.checks import argument_error
from w2vflow.storage import atomic_path

__all__ = ["CooccurrenceStatistics"]

_FORMAT = "w2vflow-cooccurrence"
_VERSION = 1


@dataclass(frozen=True, eq=False, init=False)
class CooccurrenceStatistics:
    """Symmetric weighted co-occurrence counts of a vocabulary, and how they were counted.

    `counts[i, j]` is the summed window weight of all ordered pairs (word i, context j): both
    directions are counted, so the matrix is symmetric and a pair of equal words adds twice its
    weight to the diagonal. Its sum normalises it to the joint probability
    `P_ij = counts_ij / sum(counts)`, whose marginal `p_i = sum_j P_ij` is the unigram probability
    of the theory.

    Args:
        words: the `V` words, all different; the row order of `counts`.
        counts: SciPy sparse or NumPy array `(V, V)`; kept as CSR, int64 where every entry is
            integral and float64 otherwise.
        unigram: occurrences of each word in the corpus, `(V,)`.
        metadata: how the counts were made: window, weighting, tokens, source. JSON values.

    Raises:
        ValueError: shapes that disagree, repeated words, counts that are asymmetric, negative,
            NaN or infinite, or a word that never occurs or never co-occurs.

    References:
        Karkada, Simon, Bahri, DeWeese (2025), arXiv 2502.09863, section 2.

    Example:
        >>> import numpy as np
        >>> stats = CooccurrenceStatistics(("a", "b"), np.array([[2, 3], [3, 4]]), np.array([5, 7]))
        >>> stats.vocab_size, stats.word_probability.tolist()
        (2, [0.4166666666666667, 0.5833333333333334])
    """

    words: tuple[str, ...]
    counts: sparse.csr_array
    unigram: np.ndarray
    metadata: Mapping[str, Any]

    def __init__(
        self, words: Sequence[str], counts: Any, unigram: Any, metadata: Mapping[str, Any] | None = None
    ) -> None:
        words, unigram, counts = tuple(words), np.asarray(unigram), sparse.csr_array(counts)
        _check_shapes(words, counts, unigram)
        counts.sum_duplicates()
        _check_values(counts)
        integral = counts.dtype.kind in "iu" or (counts.data == np.rint(counts.data)).all()
        counts = counts.astype(np.int64 if integral else np.float64)
        counts.eliminate_zeros()
        _check_words_occur(words, counts, unigram)
        object.__setattr__(self, "words", words)
        object.__setattr__(self, "counts", counts)
        object.__setattr__(self, "unigram", unigram.astype(np.int64))
        object.__setattr__(self, "metadata", dict(metadata or {}))

    def __repr__(self) -> str:
        return (
            f"CooccurrenceStatistics({self.vocab_size:,} words, {self.counts.nnz:,} pairs seen "
            f"({self.counts.nnz / self.vocab_size**2:.1%}), {self.metadata})"
        )

    @property
    def vocab_size(self) -> int:
        """Number of words `V`."""
        return len(self.words)

    @cached_property
    def word_probability(self) -> np.ndarray:
        """Unigram probability `p_i = sum_j P_ij`, the marginal of the joint, float64 `(V,)`."""
        marginal = self.counts.sum(axis=1).astype(np.float64)
        return marginal / marginal.sum()

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of words and counts in a fixed byte order: the identity of the statistics.

        It does not depend on how a file was compressed nor on `metadata`.
        """
        upper = sparse.csr_array(sparse.triu(self.counts))
        upper.sort_indices()
        digest = hashlib.sha256("\n".join(self.words).encode())
        for array, kind in (
            (self.unigram, "<i8"),
            (upper.indptr, "<i8"),
            (upper.indices, "<i8"),
            (upper.data, "<i8" if upper.dtype == np.int64 else "<f8"),
        ):
            digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
        return digest.hexdigest()

    def most_frequent(self, vocab_size: int) -> "CooccurrenceStatistics":
        """Return the statistics of the first `vocab_size` words.

        Pairs with any other word are dropped. That is not a recount with the smaller vocabulary:
        there the dropped words leave the text before windows are laid, and windows reach further.

        Raises:
            ValueError: `vocab_size` outside 1..V.
        """
        if not 1 <= vocab_size <= self.vocab_size:
            raise argument_error(
                "vocab_size",
                f"between 1 and the {self.vocab_size} words that were counted",
                vocab_size,
                "Count the corpus again with a larger vocabulary.",
            )
        return CooccurrenceStatistics(
            self.words[:vocab_size],
            self.counts[:vocab_size, :vocab_size],
            self.unigram[:vocab_size],
            {**self.metadata, "restricted_to_most_frequent": vocab_size},
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the statistics to one `.npz` file, atomically and reproducibly.

        The file is a zip archive that `numpy.load` opens: `words.txt`, `manifest.json`, and the
        upper triangle in CSR form. Column numbers are stored as differences and integers as byte
        planes (all lowest bytes first), which is what lets deflate halve them. Nothing in it
        depends on the time or the machine.

        Raises:
            ValueError: a word with a line break in it, which the format cannot hold.
            OSError: the file cannot be written; what stood at `path` before is kept.
        """
        if any("\n" in word for word in self.words):
            raise argument_error("words", "free of line breaks", "a word with one in it")
        upper = sparse.csr_array(sparse.triu(self.counts))
        upper.sort_indices()
        columns = upper.indices.astype(np.int64)
        steps = np.diff(columns, prepend=0)
        starts = upper.indptr[:-1][np.diff(upper.indptr) > 0]
        steps[starts] = columns[starts]
        manifest = {
            "format": _FORMAT,
            "version": _VERSION,
            "vocab_size": self.vocab_size,
            "pairs": int(upper.nnz),
            "dtype": upper.dtype.name,
            "sha256": self.sha256,
            "metadata": self.metadata,
        }
        with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            _add(archive, "manifest.json", json.dumps(manifest, indent=1, sort_keys=True).encode())
            _add(archive, "words.txt", "\n".join(self.words).encode())
            _add(archive, "unigram.npy", _npy(_byte_planes(self.unigram)))
            _add(archive, "row_lengths.npy", _npy(_byte_planes(np.diff(upper.indptr))))
            _add(archive, "column_steps.npy", _npy(_byte_planes(steps)))
            _add(archive, "counts.npy", _npy(_byte_planes(upper.data)))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "CooccurrenceStatistics":
        """Read statistics written by `save`.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged, cut short, or not one of ours.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"There is no statistics file {path}. Make one with `w2vflow count`.")
        try:
            with zipfile.ZipFile(path) as archive:
                manifest = json.loads(archive.read("manifest.json"))
                if manifest["format"] != _FORMAT:
                    raise ValueError(f"format {manifest['format']!r}")
                if manifest["version"] > _VERSION:
                    raise ValueError(f"format version {manifest['version']}, newer than {_VERSION}")
                stats = cls._from_archive(archive, manifest)
            if stats.sha256 != manifest["sha256"]:
                raise ValueError("its checksum disagrees with its content")
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, TypeError, ValueError) as error:
            raise argument_error(
                "path",
                "a whole file written by `CooccurrenceStatistics.save`",
                f"{path}, which is truncated, damaged or of another kind ({error})",
                "Copy it again, or count again with `w2vflow count`.",
            ) from error
        return stats

    @classmethod
    def _from_archive(cls, archive: zipfile.ZipFile, manifest: dict[str, Any]) -> "CooccurrenceStatistics":
        size = manifest["vocab_size"]
        lengths = _integers(archive, "row_lengths.npy")
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        steps = _integers(archive, "column_steps.npy")
        # A running sum over all rows, less its value where the row starts, gives columns row by row.
        running = np.cumsum(steps)
        before_row = np.concatenate([[0], running])[indptr[:-1]]
        columns = running - np.repeat(before_row, lengths)
        data = _integers(archive, "counts.npy")
        if manifest["dtype"] == "float64":
            data = data.view(np.float64)
        upper = sparse.csr_array((data, columns, indptr), shape=(size, size))
        counts = upper + sparse.csr_array(sparse.triu(upper, k=1)).T
        words = tuple(archive.read("words.txt").decode().split("\n"))
        return cls(words, counts, _integers(archive, "unigram.npy"), manifest["metadata"])


def _check_shapes(words: tuple[str, ...], counts: sparse.csr_array, unigram: np.ndarray) -> None:
    size = len(words)
    if size == 0:
        raise argument_error("words", "at least one word", "none")
    if len(set(words)) != size:
        repeated = next(word for i, word in enumerate(words) if word in words[:i])
        raise argument_error(
            "words", "all different", f"{repeated!r} twice", "Merge the rows of equal words."
        )
    if counts.shape != (size, size):
        raise argument_error(
            "counts", f"of shape ({size}, {size}), one row per word", f"shape {counts.shape}"
        )
    if unigram.shape != (size,):
        raise argument_error("unigram", f"of shape ({size},), one number per word", f"shape {unigram.shape}")


def _check_values(counts: sparse.csr_array) -> None:
    if not np.isfinite(counts.data).all():
        raise argument_error(
            "counts", "finite", "NaN or infinite entries", "Find where they were divided by 0."
        )
    if counts.nnz and counts.data.min() < 0:
        raise argument_error(
            "counts",
            "non-negative",
            counts.data.min(),
            "Counts that overflowed their integer type turn negative.",
        )
    asymmetric = abs(counts - counts.T)
    if asymmetric.nnz and asymmetric.max() > 0:
        row, column = (int(axis[asymmetric.tocoo().data.argmax()]) for axis in asymmetric.tocoo().coords)
        raise argument_error(
            "counts",
            "symmetric",
            f"counts[{row}, {column}] = {counts[row, column]} against "
            f"counts[{column}, {row}] = {counts[column, row]}",
            "Count both directions of a pair: `counts + counts.T`.",
        )


def _check_words_occur(words: tuple[str, ...], counts: sparse.csr_array, unigram: np.ndarray) -> None:
    if not np.isfinite(unigram).all():
        raise argument_error("unigram", "finite", "NaN or infinite entries")
    for argument, totals in (("unigram", unigram), ("counts", counts.sum(axis=1))):
        if (totals <= 0).any():
            word = words[int(np.argmax(totals <= 0))]
            raise argument_error(
                argument,
                "positive for every word",
                f"0 for the word {word!r}",
                "Drop words that never occur or never stand in a window with another.",
            )


def _byte_planes(values: np.ndarray) -> np.ndarray:
    """Return `(planes, n)` uint8: byte b of every value in row b, without the planes that are all 0."""
    little = np.ascontiguousarray(values, dtype="<f8" if values.dtype.kind == "f" else "<i8")
    planes = little.view(np.uint8).reshape(-1, 8).T
    used = np.flatnonzero(planes.any(axis=1))
    return np.ascontiguousarray(planes[: used[-1] + 1 if used.size else 1])


def _integers(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Read byte planes back into int64 `(n,)`."""
    planes = np.load(BytesIO(archive.read(name)), allow_pickle=False)
    if planes.dtype != np.uint8 or planes.ndim != 2 or not 1 <= len(planes) <= 8:
        raise ValueError(f"{name} holds no byte planes")
    whole = np.zeros((planes.shape[1], 8), np.uint8)
    whole[:, : len(planes)] = planes.T
    return whole.view("<i8")[:, 0].astype(np.int64)


def _npy(array: np.ndarray) -> bytes:
    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    # A fixed date and system: the same statistics are the same bytes whenever and wherever written.
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content, compresslevel=9)
