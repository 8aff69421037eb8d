"""Compiled loops of a lexicon: words with line breaks between them, counted and found.

Imported only where something is counted: numba is slow to load.
"""

import numpy as np

from w2vflow.corpus.counting.text_kernel import SPREAD, same
from w2vflow.support.compiled import compiled

__all__ = ["add_joined", "find_joined"]


@compiled
def _next_word(joined: np.ndarray, position: int) -> tuple[np.uint64, int]:
    """Return the key of the word that begins at `position`, and where it ends."""
    key = np.uint64(0)
    while position < len(joined) and joined[position] != 10:
        key = key * SPREAD + np.uint64(joined[position]) + np.uint64(1)
        position += 1
    return key, position


@compiled
def _slot_of(
    joined: np.ndarray,
    start: int,
    length: int,
    key: np.uint64,
    text: np.ndarray,
    ends: np.ndarray,
    keys: np.ndarray,
    table: np.ndarray,
    shift: np.uint64,
) -> np.int64:
    """Return the slot of a word, or the empty one where it belongs."""
    slot = np.int64((key * SPREAD) >> shift)
    word = table[slot]
    while word > 0:
        before = ends[word - 2] if word > 1 else 0
        found = keys[word - 1] == key and ends[word - 1] - before == length
        if found and same(text, before, joined, start, length):
            return slot
        slot = (slot + 1) & (len(table) - 1)
        word = table[slot]
    return slot


@compiled
def add_joined(
    joined: np.ndarray,
    frequency: np.ndarray,
    text: np.ndarray,
    ends: np.ndarray,
    keys: np.ndarray,
    table: np.ndarray,
    shift: np.uint64,
    totals: np.ndarray,
    known: int,
) -> int:
    """Count words with line breaks between them; return how many words are known then.

    Args:
        joined, frequency: the words, and how often each occurs.
        text, ends: the words known, one after the other, and where each ends; with room for more.
        keys, table, shift: of the words known; see `larger_table`.
        totals: how often each occurs.
        known: how many are known.
    """
    position = np.int64(0)  # by its type from the start: what it calls is compiled once
    for times in frequency:
        start = position
        key, position = _next_word(joined, start)
        length = position - start
        slot = _slot_of(joined, start, length, key, text, ends, keys, table, shift)
        if table[slot] == 0:
            before = ends[known - 1] if known else 0
            # Of slices numba compiles for seconds what to say of shapes that differ.
            for k in range(length):
                text[before + k] = joined[start + k]
            keys[known], ends[known] = key, before + length
            known += 1
            table[slot] = known
        totals[table[slot] - 1] += times
        position += 1
    return known


@compiled
def find_joined(
    joined: np.ndarray,
    numbers: np.ndarray,
    text: np.ndarray,
    ends: np.ndarray,
    keys: np.ndarray,
    table: np.ndarray,
    shift: np.uint64,
) -> None:
    """Fill `numbers` with the number of each of the words with line breaks between them, -1 if not known."""
    position = np.int64(0)  # by its type from the start: what it calls is compiled once
    for index in range(len(numbers)):
        start = position
        key, position = _next_word(joined, start)
        slot = _slot_of(joined, start, position - start, key, text, ends, keys, table, shift)
        numbers[index] = table[slot] - 1
        position += 1
