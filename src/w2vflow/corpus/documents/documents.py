"""Counts of chosen documents, and sums over the pairs of each."""

import hashlib
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from w2vflow.corpus.counting.rules import CountingRule, pair_weights
from w2vflow.corpus.counting.stages import counted_rows, pieces, word_places
from w2vflow.corpus.counting.vocabulary import words_without_pairs_note
from w2vflow.corpus.counting.workers import worker_count
from w2vflow.corpus.documents.token_file import TokenFile
from w2vflow.counts import CooccurrenceStatistics, RowBlock
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.kinds import ArrayLike
from w2vflow.support.machine import check_fits

__all__ = ["count_documents", "document_sums", "weighted_counts"]

# Entries of rows that a thread counts at a time; at least those of one row.
_ENTRIES = 2**20


@checked
def count_documents(
    tokens: TokenFile,
    *,
    weights: ArrayLike | None = None,
    window: int = 16,
    weighting: str = "linear",
    workers: int | None = None,
) -> CooccurrenceStatistics:
    """Return the exact counts of some documents of a text, each as often as its weight says.

    With all weights 1 these are the counts of `count` with the same words, documents and windows and
    `out_of_vocabulary="before"`: removing, repeating and resampling documents needs no second reading of the
    text. Memory holds 12 bytes for each token of documents of equal weight and, for each thread, the rows it
    counts.

    Args:
        tokens: the text.
        weights: a whole number for each document, `(tokens.documents,)`: 0 leaves it out, 2 counts
            it twice; 1 for all by default.
        window, weighting: see `CountingRule`.
        workers: threads; the number of cores by default.

    Raises:
        ValueError: a bad argument.

    Warns:
        RuntimeWarning: a word of the vocabulary never stands beside another in these documents; it is kept.

    Example:
        >>> text = TokenFile(("a", "b"), np.array([2, 2]), np.array([0, 1, -1, 1, 0, -1], np.int32))
        >>> count_documents(text, weights=[1, 0], window=1).counts.toarray().tolist()
        [[0, 1], [1, 0]]
    """
    rule = CountingRule(window, weighting)
    chosen = _checked_weights(weights, tokens.documents)
    counts, frequency = weighted_counts(tokens, chosen, window, weighting, workers)
    denominator = pair_weights(weighting, window)[1]
    about = _metadata(tokens, rule, chosen)
    stats = CooccurrenceStatistics(tokens.words, counts, frequency, about, denominator)
    if empty := stats.words_without_pairs:
        note = words_without_pairs_note(empty, int((frequency == 0).sum()), stats.vocab_size)
        warnings.warn(note, RuntimeWarning, stacklevel=3)
    return stats


@checked
def weighted_counts(
    tokens: TokenFile, chosen: Int[np.ndarray, " documents"], window: int, weighting: str, workers: int | None
) -> tuple[sparse.csr_array, Int[np.ndarray, " V"]]:
    """Return the counts of documents times their weights, and how often each word occurs; 0 is allowed.

    Raises:
        ValueError: counts that do not fit into 64 bits.
    """
    chosen = np.asarray(chosen)
    if chosen.shape != (tokens.documents,):
        raise argument_error("chosen", f"of shape ({tokens.documents},)", f"shape {chosen.shape}")
    distances, denominator = pair_weights(weighting, window)
    lengths = np.diff(np.append(tokens.document_starts, len(tokens.tokens)))
    frequency = np.zeros(len(tokens.words), np.int64)
    upper = sparse.csr_array((len(tokens.words), len(tokens.words)), dtype=np.int64)
    count = worker_count(workers)
    for weight in np.unique(chosen[chosen > 0]).tolist():
        inside = np.repeat(chosen == weight, lengths)
        some = np.concatenate([[-1], tokens.tokens[inside], [-1]]).astype(np.int32)
        found = np.bincount(some[some >= 0], minlength=len(tokens.words))
        frequency += weight * found
        if 4 * window * int(frequency.max()) * int(distances.max()) >= 2**63:
            raise argument_error("weighting", "one whose counts fit into 64 bits", weighting, "Use 'linear'.")
        upper = upper + weight * _counted(some, found, distances, count)
    upper = sparse.csr_array(upper)
    counts = upper + sparse.csr_array(sparse.triu(upper, k=1)).T
    if denominator > 1:
        # Not the matrix by the number: SciPy multiplies by the reciprocal, which rounds otherwise.
        counts = sparse.csr_array((counts.data / denominator, counts.indices, counts.indptr), counts.shape)
    return counts, frequency


@checked
def document_sums(
    tokens: TokenFile,
    table: Float[np.ndarray, "V V"],
    vectors: Float[np.ndarray, "V K"],
    margins: Float[np.ndarray, "V K"],
    constants: Float[np.ndarray, "K K"],
    *,
    window: int = 16,
    weighting: str = "linear",
    workers: int | None = None,
) -> Float[np.ndarray, "documents K K"]:
    """Return for each document the sum of a function of pairs over its windows, both directions.

        sum_ij n_ij [T_ij v_ia v_jb - (v_ia q_ib + q_ia v_ib + v_ja q_jb + q_ja v_jb) / 2 + c_ab]

    with `n_ij` the counts of the document alone: the change of any smooth function of all counts, to first
    order, when the document occurs once more. One pass over the text forms no counts of a document.

    Args:
        tokens: the text.
        table: `T`, symmetric; looked up in float32.
        vectors, margins: `v` and `q`.
        constants: `c`, symmetric.
        window, weighting, workers: as `count_documents` takes them.

    Raises:
        ValueError: a bad argument, or arrays that do not fit into memory.
    """
    CountingRule(window, weighting)
    size, modes = vectors.shape
    if size != len(tokens.words):
        expected = f"a text of the {size} words of the table"
        raise argument_error("tokens", expected, f"{len(tokens.words)} words")
    need = 8 * tokens.documents * modes**2 + 4 * size**2
    check_fits("tokens", f"{modes} x {modes} sums of {tokens.documents} documents", need, "Use fewer modes.")
    distances, denominator = pair_weights(weighting, window)
    starts, ends = tokens.document_starts, tokens.document_ends
    # One kind of array, whether it can be written or not: the loop is compiled once.
    text = np.asarray(tokens.tokens).view()
    text.flags.writeable = False
    arguments = (
        distances / denominator, np.ascontiguousarray(table, np.float32),
        np.ascontiguousarray(vectors), np.ascontiguousarray(margins),
    )  # fmt: skip
    sums, totals = np.zeros((len(starts), modes, modes)), np.zeros(len(starts))
    count = worker_count(workers)
    # Several pieces a thread: some documents are long.
    bounds = pieces(ends - starts + 1, min(8 * count, len(starts)))

    def add(part: slice) -> None:
        from w2vflow.corpus.documents.kernel import add_window_pairs

        add_window_pairs(text, starts[part], ends[part], *arguments, sums[part], totals[part])

    _in_threads(add, [slice(*bound) for bound in pairwise(bounds)], count)
    sums += np.swapaxes(sums, 1, 2).copy()
    sums += totals[:, None, None] * constants
    return sums


def _counted(
    tokens: np.ndarray, frequency: np.ndarray, weights: np.ndarray, workers: int
) -> sparse.csr_array:
    """Return the upper triangle of the counts of tokens, -1 first and last, rows shared out to threads."""
    places, bounds = word_places(tokens, frequency), list(pairwise(pieces(frequency, workers)))
    parts: list[list[RowBlock]] = [[] for _ in bounds]

    def count(index: int) -> None:
        first, last = bounds[index]
        rows = counted_rows(places, first, last, weights, _ENTRIES)
        parts[index] = [RowBlock(*(values.astype(np.int64) for values in block)) for block in rows]

    _in_threads(count, range(len(bounds)), workers)
    lengths, columns, counts = map(np.concatenate, zip(*chain.from_iterable(parts), strict=True))
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return sparse.csr_array((counts, columns, indptr), (len(frequency), len(frequency)))


def _in_threads(call: Callable[[Any], None], parts: Any, workers: int) -> None:
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(call, parts):
            pass


def _checked_weights(weights: Any, documents: int) -> np.ndarray:
    if weights is None:
        return np.ones(documents, np.int64)
    found = np.asarray(weights)
    if found.shape != (documents,):
        expected = f"of shape ({documents},), one for each document"
        raise argument_error("weights", expected, f"shape {found.shape}")
    if not (np.isfinite(found) & (found == np.rint(found)) & (found >= 0)).all():
        remedy = "Fractions of documents: add up counts of parts of the text instead."
        raise argument_error("weights", "whole numbers, 0 or more", "others", remedy)
    return found.astype(np.int64)


def _metadata(tokens: TokenFile, rule: CountingRule, chosen: np.ndarray) -> dict[str, Any]:
    """Return the facts of the token file and the rule, without those that hold for all documents alone."""
    whole = bool((chosen == 1).all())
    facts = {n: v for n, v in tokens.metadata.items() if n != "tokens_sha256"}
    if not whole:
        facts = {n: v for n, v in facts.items() if not n.startswith("corpus_")}
        facts["corpus_documents"] = int(chosen.sum())
        facts["corpus_document_weights_sha256"] = hashlib.sha256(chosen.astype("<i8").tobytes()).hexdigest()
    of_the_text = ("tokens", "min_document_words")
    return {**facts, **{n: v for n, v in rule.describe().items() if n not in of_the_text}}
