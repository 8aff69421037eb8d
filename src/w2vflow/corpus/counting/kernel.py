"""Compiled loops from word numbers to rows of counts.

Imported only where something is counted: numba is slow to load.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from w2vflow.corpus.counting.text_kernel import END_OF_DOCUMENT
from w2vflow.support.compiled import compiled

__all__ = ["count_rows", "count_words", "fill_positions", "rank_tokens"]


@intrinsic
def _prefetch(context: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of `array[index]` without waiting for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, flag, flag, flag])
        call = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
        # For reading, to be kept, data rather than code.
        builder.call(call, [place, flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return numba.types.void(array, numba.types.intp), generate


@compiled
def rank_tokens(numbers: np.ndarray, rank: np.ndarray, gap: int, keeps_gaps: bool) -> np.ndarray:
    """Return the row of each word, and `gap` for a word without one if gaps are kept.

    `rank` has the rows of the words, `gap` for none, and a last entry for the ends of documents, -1.
    """
    rows, used = np.empty(len(numbers), np.int32), 0
    for number in numbers:
        row = rank[number]
        if keeps_gaps or row != gap:
            rows[used] = row
            used += 1
    return rows[:used]


@compiled
def count_words(tokens: np.ndarray, vocab_size: int) -> np.ndarray:
    """Return how often each word occurs."""
    frequency = np.zeros(vocab_size, np.int64)
    for word in tokens:
        if 0 <= word < vocab_size:
            frequency[word] += 1
    return frequency


@compiled
def fill_positions(tokens: np.ndarray, offsets: np.ndarray, positions: np.ndarray) -> None:
    """Fill `positions` with where each word stands, word by word.

    `offsets` says where the positions of each begin; it is moved to where they end.
    """
    for position in range(len(tokens)):
        word = tokens[position]
        if 0 <= word < len(offsets):
            at = offsets[word]
            positions[at] = position
            offsets[word] = at + 1


@compiled
def count_rows(
    tokens: np.ndarray,
    weights: np.ndarray,
    vocab_size: int,
    first: int,
    offsets: np.ndarray,
    positions: np.ndarray,
    row: np.ndarray,
    lengths: np.ndarray,
    columns: np.ndarray,
    counts: np.ndarray,
    before: bool,
    after: bool,
) -> tuple[int, int]:
    """Count rows of the upper triangle, or whole ones of one direction, word after word while they fit.

    All places of a word are visited in turn and its contexts added into one row, which stays in
    the cache; counting along the text instead would write all over a V x V matrix.

    Args:
        tokens: words by number, `END_OF_DOCUMENT` first and last and between documents.
        weights: `weights[r - 1]` of a pair at distance r.
        vocab_size: V.
        first: the word to begin with.
        offsets, positions: all places of the words from `first` on, and where those of each begin and end.
        row: V + 1 zeros, left as zeros; the last collects words out of the vocabulary.
        lengths, columns, counts: filled with the rows.
        before, after: whether contexts before and after a word are counted.

    Returns:
        How many rows were counted, and how many entries they have.
    """
    window, used = len(weights), 0
    for index in range(len(offsets) - 1):
        word = first + index
        left = word if before and after else 0
        places = offsets[index + 1] - offsets[index]
        if used + min(vocab_size - left, 2 * window * places) > len(columns):
            return index, used
        for i in range(offsets[index], offsets[index + 1]):
            place = positions[i]
            # Places of a rare word are far apart: a window would wait for memory every time.
            ahead = positions[min(i + 12, len(positions) - 1)]
            _prefetch(tokens, max(ahead - window, 0))  # type: ignore[call-arg]
            _prefetch(tokens, ahead)
            _prefetch(tokens, ahead + window)
            for distance in range(window if after else 0):
                other = tokens[place + distance + 1]
                if other == END_OF_DOCUMENT:
                    break
                row[np.uint32(other)] += weights[distance]
            for distance in range(window if before else 0):
                other = tokens[place - distance - 1]
                if other == END_OF_DOCUMENT:
                    break
                row[np.uint32(other)] += weights[distance]
        start = used
        if 2 * window * places * 8 > vocab_size - left:
            for other in range(left, vocab_size):
                if row[other] != 0:
                    columns[used], counts[used] = other, row[other]
                    used += 1
            row[:] = 0
        else:
            places_of_word = positions[offsets[index] : offsets[index + 1]]
            used = _gather(tokens, window, left, vocab_size, places_of_word, row, columns, counts, used)
        lengths[index] = used - start
    return len(offsets) - 1, used


@compiled
def _gather(
    tokens: np.ndarray,
    window: int,
    left: int,
    vocab_size: int,
    places: np.ndarray,
    row: np.ndarray,
    columns: np.ndarray,
    counts: np.ndarray,
    used: int,
) -> int:
    """Move a sparse row out, from column `left` on, by visiting its contexts again, not all V columns."""
    start = used
    for place in places:
        for step in (1, -1):
            at = place + step
            for _ in range(window):
                other = tokens[at]
                if other == END_OF_DOCUMENT:
                    break
                if row[other] != 0:
                    if left <= other < vocab_size:
                        columns[used] = other
                        counts[used] = row[other]
                        used += 1
                    row[other] = 0
                at += step
    order = np.argsort(columns[start:used])
    columns[start:used] = columns[start:used][order]
    counts[start:used] = counts[start:used][order]
    return used
