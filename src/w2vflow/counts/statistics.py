"""Co-occurrence statistics of a corpus: all that word2vec learns from it."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from w2vflow.counts.checks import (
    check_denominator,
    check_shapes,
    check_symmetric,
    check_unigram,
    check_values,
    counts_matrix,
)
from w2vflow.counts.count_file import DIRECTIONS, ContentHash, CountFile, RowBlock, write_count_file
from w2vflow.counts.units import added, whole_units
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import AnyArray, is_known
from w2vflow.support.checks import argument_error, check_vocab_size
from w2vflow.support.csr import column_sums, row_sums
from w2vflow.support.display import beside, harmless, html_table, megabytes, shown_words
from w2vflow.support.kinds import ArrayLike
from w2vflow.support.static import Metadata, Vocabulary, remembered

__all__ = ["CooccurrenceStatistics"]


@checked
class CooccurrenceStatistics(eqx.Module):
    """Weighted co-occurrence counts of a vocabulary, and how they were counted.

    `counts[i, j]` is the summed window weight of all pairs (word i, context j). By default both directions
    are counted: the matrix is symmetric and a pair of equal words adds twice its weight to the diagonal. The
    joint probability is `P_ij = counts_ij / sum(counts)`; its marginal `p_i = sum_j P_ij` is the unigram
    probability of the theory. A word may have no pairs, as one that a part of a corpus lacks; problems are
    posed of statistics without such words (`restrict`).

    A pytree, whose floating leaves are `values` and `occurrences`: JAX differentiates in them and maps over
    them, e.g. over resampled corpora of one sparsity.

    Args:
        words: the `V` words, all different; the row order of `counts`.
        counts: SciPy sparse or NumPy array `(V, V)`; kept as CSR.
        unigram: occurrences of each word in the corpus, `(V,)`.
        metadata: how the counts were made: window, weighting, tokens, source. JSON values.
        denominator: the counts are whole multiples of `1 / denominator`, which makes sums of
            fractional weights exact; 1 if nothing is known of them.
        directions: `"both"`; `"right"`: only contexts that stand after the word; `"left"`: before it. The
            matrix of one direction is not symmetric.

    Attributes:
        values: counts of the `n` seen pairs, row by row, float64 `(n,)`.
        indices: contexts of the seen pairs, `(n,)`.
        indptr: where each word begins among them, `(V + 1,)`.
        occurrences: `unigram`, float64 `(V,)`.
        vocabulary: the words as one constant.

    Raises:
        ValueError: shapes that disagree, repeated words, counts that are negative, NaN, infinite or, of both
            directions, asymmetric, occurrences or a denominator that are not whole, or a word with counts
            that never occurs.

    References:
        Karkada, Simon, Bahri, DeWeese (2025), arXiv 2502.09863, section 2.

    Example:
        >>> import numpy as np
        >>> stats = CooccurrenceStatistics(("a", "b"), np.array([[2, 3], [3, 4]]), np.array([5, 7]))
        >>> stats.vocab_size, stats.word_probability.tolist()
        (2, [0.4166666666666667, 0.5833333333333334])
    """

    _made_by: ClassVar[str] = "`count(paths)` or `load_statistics(name)`"

    values: Float[AnyArray, " n"]
    indices: Int[AnyArray, " n"]
    indptr: Int[AnyArray, " r"]
    occurrences: Float[AnyArray, " V"]
    vocabulary: Vocabulary = eqx.field(static=True)
    metadata: Metadata = eqx.field(static=True)
    denominator: int = eqx.field(static=True)
    directions: str = eqx.field(static=True)

    def __init__(
        self,
        words: Sequence[str],
        counts: ArrayLike,
        unigram: ArrayLike,
        metadata: Mapping[str, Any] | None = None,
        denominator: int = 1,
        directions: str = "both",
    ) -> None:
        words, unigram, counts = tuple(words), np.asarray(unigram), counts_matrix(counts)
        check_shapes(words, counts, unigram)
        if directions not in DIRECTIONS:
            raise argument_error("directions", f"one of {sorted(DIRECTIONS)}", repr(directions))
        counts.sum_duplicates()
        check_values(counts)
        if directions == "both":
            check_symmetric(counts)
        counts.eliminate_zeros()
        check_unigram(words, counts, unigram)
        self.values = counts.data.astype(np.float64, copy=False)
        self.indices, self.indptr = counts.indices, counts.indptr
        self.occurrences = unigram.astype(np.int64).astype(np.float64)
        self.vocabulary, self.metadata = Vocabulary(words), Metadata(metadata or {})
        self.denominator, self.directions = check_denominator(denominator, 1), directions

    @property
    def words(self) -> tuple[str, ...]:
        """The words, in the order of the rows."""
        return self.vocabulary.words

    @property
    def counts(self) -> sparse.csr_array:
        """The matrix of counts `(V, V)` on the host, int64 if every entry is integral, else float64."""
        return remembered(self, "counts", self._counts)

    def _counts(self) -> sparse.csr_array:
        values = np.asarray(self.values)
        if (values == np.rint(values)).all():
            values = values.astype(np.int64)
        indices, indptr = np.asarray(self.indices), np.asarray(self.indptr)
        return sparse.csr_array((values, indices, indptr), shape=(self.vocab_size, self.vocab_size))

    @property
    def unigram(self) -> np.ndarray:
        """Occurrences of each word on the host, int64 `(V,)`."""
        return np.asarray(self.occurrences).astype(np.int64)

    def with_values(self, values: ArrayLike) -> "CooccurrenceStatistics":
        """Return statistics of the same words with other counts of the same seen pairs.

        What a derivative in the counts, or a map over corpora, goes through: `values` may be traced. It is
        `(n,)`, in the order of `self.values`; if both directions were counted, results mean nothing unless
        the matrix is symmetric.

        Raises:
            ValueError: another number of pairs, or concrete values that are negative, NaN or infinite.

        Example:
            >>> stats = CooccurrenceStatistics(("a", "b"), np.array([[2, 3], [3, 4]]), np.array([5, 7]))
            >>> stats.with_values(stats.values * [1, 2, 2, 1]).counts.toarray().tolist()
            [[2, 6], [6, 4]]
        """
        values = values if isinstance(values, jax.Array) else np.asarray(values, np.float64)
        if values.shape != self.values.shape:
            expected = f"of shape {self.values.shape}, one count for each seen pair"
            raise argument_error("values", expected, f"shape {values.shape}")
        if is_known(values) and not (np.isfinite(values) & (np.asarray(values) >= 0)).all():
            raise argument_error("values", "finite and not negative", "other entries")
        changed = object.__new__(CooccurrenceStatistics)
        for name in ("indices", "indptr", "occurrences", "vocabulary", "metadata", "directions"):
            object.__setattr__(changed, name, getattr(self, name))
        object.__setattr__(changed, "values", values)
        object.__setattr__(changed, "denominator", 1)
        return changed

    def __repr__(self) -> str:
        (_, first), *facts = self._facts()
        lines = [f"CooccurrenceStatistics({first})", *(f"{name}: {fact}" for name, fact in facts)]
        return harmless("\n  ".join(lines))

    def _facts(self) -> list[tuple[str, str]]:
        """Return the facts to show at a glance, by name."""
        seen, about = len(self.values), self.metadata
        facts = [
            ("what", f"{self.vocab_size:,} words, {seen:,} pairs seen ({seen / self.vocab_size**2:.1%})"),
            ("words", shown_words(self.words[:8]) + (" .." if self.vocab_size > 8 else "")),
            ("in memory", megabytes(self.values, self.indices, self.indptr)),
        ]
        if self.directions != "both":
            facts.append(("contexts", f"on the {self.directions} of the word"))
        if is_known(self.indptr, self.indices) and (empty := len(self.words_without_pairs)):
            facts.append(("without pairs", f"{empty:,} of the words"))
        if "corpus_summary" in about:
            facts.append(("text", str(about["corpus_summary"])))
        named = (
            "source",
            "window",
            "weighting",
            "subsampling",
            "corpus_tokens",
            "restricted_to_most_frequent",
        )
        return facts + [(name.replace("_", " "), _in_short(about[name])) for name in named if name in about]

    def _repr_html_(self) -> str:
        frequent = zip(self.words[:10], self.unigram[:10], self.word_probability[:10], strict=True)
        rows = [(word, f"{count:,}", f"{share:.3g}") for word, count, share in frequent]
        return beside(
            html_table("Co-occurrence statistics", (), self._facts()),
            html_table("First words", ("word", "occurrences", "probability"), rows),
        )

    @property
    def vocab_size(self) -> int:
        """Number of words `V`."""
        return len(self.words)

    @property
    def word_probability(self) -> Float[AnyArray, " V"]:
        """Unigram probability `p_i = sum_j P_ij`, the marginal of the joint, `(V,)`."""
        return remembered(self, "word_probability", self._word_probability)

    def _word_probability(self) -> Float[AnyArray, " V"]:
        marginal = row_sums(self.values, self.indptr)
        if not len(self.values):
            raise argument_error("stats", "of a text with pairs of its words", "none", "`merge` first.")
        return marginal / marginal.sum()

    @property
    def context_probability(self) -> Float[AnyArray, " V"]:
        """Probability of each context, `q_j = sum_i P_ij`, `(V,)`: `p` where both directions were counted."""
        if self.directions == "both":
            return self.word_probability
        return remembered(self, "context_probability", self._context_probability)

    def _context_probability(self) -> Float[AnyArray, " V"]:
        marginal = column_sums(self.values, self.indices, self.vocab_size)
        return marginal / marginal.sum()

    @property
    def sha256(self) -> str:
        """SHA-256 of words and counts, without `metadata`: the identity of the statistics."""
        return remembered(self, "sha256", self._sha256)

    def _sha256(self) -> str:
        denominator, block = self._in_units()
        content = ContentHash(self.words, self.unigram, denominator, self.directions)
        content.update(block)
        return content.hexdigest()

    def most_frequent(self, vocab_size: int) -> "CooccurrenceStatistics":
        """Return the statistics of the first `vocab_size` words; pairs with any other word are dropped.

        That is not a recount with the smaller vocabulary: there the dropped words leave the text before
        windows are laid, and windows reach further.

        Raises:
            ValueError: `vocab_size` outside 1..V.
        """
        check_vocab_size(vocab_size, self.vocab_size)
        return self._of_rows(np.arange(vocab_size), {"restricted_to_most_frequent": vocab_size})

    def restrict(self, words: Sequence[str] | None = None) -> "CooccurrenceStatistics":
        """Return the statistics of some words, in the order given; pairs with any other word are dropped.

        As for `most_frequent`, that is not a recount with these words.

        Args:
            words: all different; if omitted, those that have pairs, in the order they have; of counts of
                one direction, those that are a word and a context of others that are.

        Raises:
            ValueError: no words, repeated ones, or one that is not in the vocabulary.

        Example:
            >>> part = CooccurrenceStatistics(("a", "b", "c"), np.diag([2, 0, 4]), np.array([2, 1, 3]))
            >>> part.words_without_pairs, part.restrict().words
            (('b',), ('a', 'c'))
        """
        number = {word: i for i, word in enumerate(self.words)}
        chosen = self._paired_words() if words is None else list(words)
        for word in chosen:
            if word not in number:
                raise argument_error("words", "of the vocabulary", f"the word {word!r}")
        return self._of_rows(np.array([number[word] for word in chosen], int), {"restricted_to": len(chosen)})

    def _paired_words(self) -> list[str]:
        counts, kept = self.counts, np.arange(self.vocab_size)
        while not (paired := (counts.sum(axis=0) > 0) & (counts.sum(axis=1) > 0)).all():
            # Where one leaves, another may lose its only context.
            counts, kept = counts[paired][:, paired], kept[paired]
        return [self.words[row] for row in kept]

    def _of_rows(self, rows: np.ndarray, how: Mapping[str, Any]) -> "CooccurrenceStatistics":
        return CooccurrenceStatistics(
            tuple(self.words[row] for row in rows),
            self.counts[rows][:, rows],
            self.unigram[rows],
            {**self.metadata, **how},
            self.denominator,
            self.directions,
        )

    @property
    def words_without_pairs(self) -> tuple[str, ...]:
        """The words that stand in no pair of the counts, neither as word nor as context."""
        seen = np.diff(np.asarray(self.indptr)) > 0
        if self.directions != "both":
            seen[np.asarray(self.indices)] = True
        return tuple(self.words[row] for row in np.flatnonzero(~seen))

    def symmetrized(self) -> "CooccurrenceStatistics":
        """Return the statistics of both directions, exactly as if they had been counted: `counts + counts^T`.

        Those of both directions are returned as they are.
        """
        if self.directions == "both":
            return self
        counts, denominator = added(
            self.counts, sparse.csr_array(self.counts.T), (self.denominator, self.denominator)
        )
        metadata = {**self.metadata, **({"directions": "both"} if "directions" in self.metadata else {})}
        return CooccurrenceStatistics(self.words, counts, self.unigram, metadata, denominator)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the statistics to one `.npz` file, atomically and reproducibly.

        Raises:
            ValueError: a word with a line break in it, which the format cannot hold.
            OSError: the file cannot be written; what stood at `path` before is kept.
        """
        denominator, block = self._in_units()
        write_count_file(path, self.words, self.unigram, [block], self.metadata, denominator, self.directions)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "CooccurrenceStatistics":
        """Read statistics written by `save` or counted to a file.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged, cut short, or not one of ours.
        """
        file = CountFile(path)
        # Block by block in 32 bits: a vocabulary has fewer words, and large counts as many pairs as fit.
        blocks = ((b.row_lengths, b.columns.astype(np.int32), b.counts) for b in file.blocks())
        lengths, columns, counts = (np.concatenate(part) for part in zip(*blocks, strict=True))
        if file.denominator == 0:
            counts = counts.view(np.float64)
        elif file.denominator > 1:
            counts = counts / file.denominator
        size = len(file.words)
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        indptr = indptr.astype(np.int32 if 2 * indptr[-1] < 2**31 else np.int64)
        whole = sparse.csr_array((counts, columns, indptr), shape=(size, size))
        if file.directions == "both":
            whole = whole + sparse.csr_array(sparse.triu(whole, k=1)).T
        return cls(file.words, whole, file.unigram, file.metadata, file.denominator or 1, file.directions)

    def _in_units(self) -> tuple[int, RowBlock]:
        """Return the denominator, 0 for float64 bit patterns, and the rows of the file in its units."""
        rows = sparse.csr_array(sparse.triu(self.counts) if self.directions == "both" else self.counts)
        rows.sort_indices()
        counts, denominator = whole_units(rows, self.denominator), self.denominator
        if counts is None:
            counts, denominator = rows.data.astype(np.float64).view(np.int64), 0
        return denominator, RowBlock(np.diff(rows.indptr), rows.indices, counts)


def _in_short(value: Any) -> str:
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text if len(text) <= 80 else f"{text[:78]}.."
