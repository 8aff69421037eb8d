"""Compiled loops of counting: text to word numbers, word numbers to rows of counts.

Imported only where something is counted: numba is slow to load.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

__all__ = ["END_OF_DOCUMENT", "LETTERS", "count_rows", "fill_positions", "lower_latin", "number_words"]

# What ends a document in a token array. A word out of the vocabulary that keeps its place is V.
END_OF_DOCUMENT = -1

# Keys of short words lie close together; this multiplier spreads them (Knuth, volume 3, 6.4).
_SPREAD = np.uint64(0x9E3779B97F4A7C15)

LETTERS = np.zeros(256, np.uint8)
LETTERS[97:123] = np.arange(97, 123)
LETTERS[65:91] = np.arange(97, 123)


@numba.njit(nogil=True, cache=True)
def lower_latin(
    text: np.ndarray, starts: np.ndarray, ends: np.ndarray, letters: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the documents with a-z for letters of the lower-cased text and 0 for all else, and their ends.

    `letters` is the table `LETTERS`. Two characters beyond ASCII have a lower case that begins with a letter
    of it: the Kelvin sign (E2 84 AA, k) and the capital I with dot (C4 B0, i and a combining dot).
    """
    total = 0
    for document in range(len(starts)):
        total += ends[document] - starts[document] + 1
    lowered = np.empty(total, np.uint8)
    new_ends = np.empty(len(starts), np.int64)
    at = 0
    for document in range(len(starts)):
        position, end = starts[document], ends[document]
        while position < end:
            byte = text[position]
            if byte < 128:
                lowered[at] = letters[byte]
                position += 1
            elif byte == 0xC4 and position + 1 < end and text[position + 1] == 0xB0:
                lowered[at] = 105
                at += 1
                lowered[at] = 0
                position += 2
            elif (
                byte == 0xE2
                and position + 2 < end
                and text[position + 1] == 0x84
                and text[position + 2] == 0xAA
            ):
                lowered[at] = 107
                position += 3
            else:
                lowered[at] = 0
                position += 1
            at += 1
        lowered[at] = 0
        at += 1
        new_ends[document] = at
    return lowered[:at], new_ends


@numba.njit(nogil=True, cache=True)
def _same(text: np.ndarray, one: int, other: int, length: int) -> bool:
    at = 0
    while at < length and text[one + at] == text[other + at]:
        at += 1
    return at == length


@numba.njit(nogil=True, cache=True)
def _larger_table(keys: np.ndarray, room: int) -> tuple[np.ndarray, np.uint64]:
    """Return an open-addressing table of at least twice `room` slots that holds the keys, and its shift."""
    bits = 16
    while (1 << bits) < 2 * room:
        bits += 1
    table, shift = np.zeros(1 << bits, np.int32), np.uint64(64 - bits)
    for word in range(len(keys)):
        slot = np.int64((keys[word] * _SPREAD) >> shift)
        while table[slot] > 0:
            slot = (slot + 1) & (len(table) - 1)
        table[slot] = word + 1
    return table, shift


@numba.njit(nogil=True, cache=True)
def _number_document(
    text: np.ndarray,
    start: int,
    end: int,
    table: np.ndarray,
    shift: np.uint64,
    keys: np.ndarray,
    places: np.ndarray,
    lengths: np.ndarray,
    words: int,
    tokens: np.ndarray,
    used: int,
) -> tuple[int, int]:
    """Number the words of one document; return how many are known and how many tokens are used."""
    position = start
    while position < end:
        if text[position] == 0:
            position += 1
            continue
        start = position
        # Five bits a letter: the key of a word of up to 12 letters is the word itself.
        key = np.uint64(0)
        while text[position] != 0:
            key = ((key << np.uint64(5)) | (key >> np.uint64(59))) ^ np.uint64(text[position] & 31)
            position += 1
        length = position - start
        if length > 12:
            key |= np.uint64(1) << np.uint64(63)
        slot = np.int64((key * _SPREAD) >> shift)
        word = table[slot]
        while word > 0 and not (
            keys[word - 1] == key
            and (
                length <= 12 or (lengths[word - 1] == length and _same(text, places[word - 1], start, length))
            )
        ):
            slot = (slot + 1) & (len(table) - 1)
            word = table[slot]
        if word == 0:
            keys[words], places[words], lengths[words] = key, start, length
            words += 1
            word = words
            table[slot] = word
        tokens[used] = word - 1
        used += 1
    return words, used


@numba.njit(nogil=True, cache=True)
def number_words(
    text: np.ndarray, ends: np.ndarray, shortest: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    """Return documents of `lower_latin` as word numbers, if they have at least `shortest` words.

    Returns:
        Tokens, with `END_OF_DOCUMENT` after each document; where each word first stands in the text; its
        length; how often it occurs in documents that were kept; how many those are.
    """
    most = len(text) // 2 + 1
    tokens = np.empty(most + len(ends), np.int32)
    # Room for any text; memory is only taken where it is written.
    keys, places, lengths = np.empty(most, np.uint64), np.empty(most, np.int64), np.empty(most, np.int64)
    table, shift = _larger_table(keys[:0], 1 << 15)
    words = kept = used = start = 0
    for end in ends:
        if 2 * (words + (end - start) // 2) > len(table):
            table, shift = _larger_table(keys[:words], 2 * (words + (end - start) // 2))
        first = used
        words, used = _number_document(
            text, start, end, table, shift, keys, places, lengths, words, tokens, used
        )
        start = end
        if used > first and used - first >= shortest:
            tokens[used] = END_OF_DOCUMENT
            used += 1
            kept += 1
        else:
            used = first
    frequency = np.zeros(words, np.int64)
    for i in range(used):
        if tokens[i] >= 0:
            frequency[tokens[i]] += 1
    return tokens[:used], places[:words], lengths[:words], frequency, kept


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


@numba.njit(nogil=True, cache=True)
def fill_positions(
    tokens: np.ndarray, first: int, last: int, offsets: np.ndarray, positions: np.ndarray
) -> None:
    """Fill `positions` with where each word of `first <= word < last` stands, word by word.

    `offsets` says where the positions of each begin; it is moved to where they end.
    """
    for position in range(len(tokens)):
        word = tokens[position]
        if first <= word < last:
            at = offsets[word - first]
            positions[at] = position
            offsets[word - first] = at + 1


@numba.njit(nogil=True, cache=True)
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


@numba.njit(nogil=True, cache=True)
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
