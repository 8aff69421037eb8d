"""Compiled loops from text to word numbers.

Imported only where something is counted: numba is slow to load.
"""

import numpy as np

from w2vflow.support.compiled import compiled

__all__ = [
    "END_OF_DOCUMENT",
    "LETTERS",
    "SPAN_LATIN",
    "SPAN_UNICODE",
    "SPREAD",
    "are_latin",
    "gather_words",
    "larger_table",
    "lower_latin",
    "number_words",
    "same",
    "split_runs",
    "substitute",
]

# What ends a document in a token array. A word out of the vocabulary that keeps its place is V.
END_OF_DOCUMENT = -1

# This multiplier spreads keys that lie close together (Knuth, volume 3, 6.4).
SPREAD = np.uint64(0x9E3779B97F4A7C15)
_LONG = np.uint64(1) << np.uint64(63)

LETTERS = np.zeros(256, np.uint8)
LETTERS[97:123] = np.arange(97, 123)
LETTERS[65:91] = np.arange(97, 123)

# Bits of a character in the key of a word, and up to how many characters the key is the word itself.
SPAN_LATIN, SPAN_UNICODE = (5, 12), (8, 7)


@compiled
def lower_latin(
    text: np.ndarray, starts: np.ndarray, ends: np.ndarray, letters: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the documents with a-z for letters of the lower-cased text and 0 for all else, and their ends.

    `letters` is the table `LETTERS`. Two characters beyond ASCII have a lower case that begins with a letter
    of it: the Kelvin sign (E2 84 AA, k) and the capital I with dot (C4 B0, i and a combining dot).
    """
    lowered = np.empty((ends - starts).sum() + len(starts), np.uint8)
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


@compiled
def _is_inside(text: np.ndarray, letters: np.ndarray, start: int, end: int, before: int, after: int) -> bool:
    """Return whether a sign, from `before + 1` to `after`, stands between what may be letters."""
    if before < start or after >= end:
        return False
    one, other = text[before], text[after]
    return (one >= 128 or letters[one] > 0) and (other >= 128 or letters[other] > 0)


@compiled
def split_runs(
    text: np.ndarray, starts: np.ndarray, ends: np.ndarray, letters: np.ndarray, kinds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the documents with 0 for what no word can hold, A to Z in lower case, and their ends.

    What stands between zeros holds whole words, of which it is mostly one.

    Args:
        text: valid UTF-8.
        starts, ends: of the documents.
        letters: the table `LETTERS`.
        kinds: by code point, 0: no part of a word; 1: one; 2: one between letters. Beyond the table: 1.
    """
    runs = np.empty((ends - starts).sum() + len(starts), np.uint8)
    new_ends = np.empty(len(starts), np.int64)
    at = 0
    for document in range(len(starts)):
        start, end = starts[document], ends[document]
        position = start
        while position < end:
            byte = np.int64(text[position])
            if byte < 128:
                kept = letters[byte]
                if kinds[byte] == 2 and _is_inside(text, letters, start, end, position - 1, position + 1):
                    kept = text[position]
                runs[at] = kept
                at += 1
                position += 1
                continue
            if byte < 0xE0:
                length, code = 2, byte & 0x1F
            elif byte < 0xF0:
                length, code = 3, byte & 0x0F
            else:
                length, code = 4, byte & 0x07
            for k in range(1, length):
                code = (code << 6) | (np.int64(text[position + k]) & 0x3F)
            kind = np.uint8(1) if code >= len(kinds) else kinds[code]
            if kind == 2 and not _is_inside(text, letters, start, end, position - 1, position + length):
                kind = np.uint8(0)
            if kind == 0:
                runs[at] = 0
                at += 1
            else:
                for k in range(length):
                    runs[at + k] = text[position + k]
                at += length
            position += length
        runs[at] = 0
        at += 1
        new_ends[document] = at
    return runs[:at], new_ends


@compiled
def same(text: np.ndarray, one: int, others: np.ndarray, other: int, length: int) -> bool:
    """Return whether `length` bytes of two texts are the same."""
    at = 0
    while at < length and text[one + at] == others[other + at]:
        at += 1
    return at == length


@compiled
def larger_table(keys: np.ndarray, room: int) -> tuple[np.ndarray, np.uint64]:
    """Return an open-addressing table of at least twice `room` slots that holds the keys, and its shift."""
    bits = 16
    while (1 << bits) < 2 * room:
        bits += 1
    table, shift = np.zeros(1 << bits, np.int32), np.uint64(64 - bits)
    for word in range(len(keys)):
        slot = np.int64((keys[word] * SPREAD) >> shift)
        while table[slot] > 0:
            slot = (slot + 1) & (len(table) - 1)
        table[slot] = word + 1
    return table, shift


@compiled
def _number_document(
    text: np.ndarray,
    start: int,
    end: int,
    span: tuple[int, int],
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
    bits, short = span
    position, mask, step = start, (1 << bits) - 1, np.uint64(bits)
    while position < end:
        if text[position] == 0:
            position += 1
            continue
        start = position
        # The key of a short word is the word itself.
        key, last = np.uint64(0), position + short
        while text[position] != 0 and position < last:
            key = (key << step) | np.uint64(text[position] & mask)
            position += 1
        while text[position] != 0:
            key = key * SPREAD + np.uint64(text[position])
            position += 1
        length = position - start
        if length > short:
            key |= _LONG
        slot = np.int64((key * SPREAD) >> shift)
        word = table[slot]
        while word > 0 and not (
            keys[word - 1] == key
            and (
                length <= short
                or (lengths[word - 1] == length and same(text, places[word - 1], text, start, length))
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


@compiled
def number_words(
    text: np.ndarray, ends: np.ndarray, shortest: int, span: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    """Return documents of `lower_latin` or `split_runs` as word numbers, if they have `shortest` words.

    `span` is `SPAN_LATIN` or `SPAN_UNICODE`.

    Returns:
        Tokens, with `END_OF_DOCUMENT` after each document; where each word first stands in the text; its
        length; how often it occurs in documents that were kept; how many those are.
    """
    most = len(text) // 2 + 1
    tokens = np.empty(most + len(ends), np.int32)
    # Room for any text; memory is only taken where it is written.
    keys, places, lengths = np.empty(most, np.uint64), np.empty(most, np.int64), np.empty(most, np.int64)
    table, shift = larger_table(keys[:0], 1 << 15)
    words = kept = used = start = 0
    for end in ends:
        if 2 * (words + (end - start) // 2) > len(table):
            table, shift = larger_table(keys[:words], 2 * (words + (end - start) // 2))
        first = used
        words, used = _number_document(
            text, start, end, span, table, shift, keys, places, lengths, words, tokens, used
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


@compiled
def are_latin(text: np.ndarray, places: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return whether each of the words that stand at `places` is of a to z alone."""
    plain = np.ones(len(places), np.bool_)
    for word in range(len(places)):
        for k in range(lengths[word]):
            if not 97 <= text[places[word] + k] <= 122:
                plain[word] = False
                break
    return plain


@compiled
def gather_words(text: np.ndarray, places: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the words that stand at `places`, with a line break between them."""
    joined = np.empty(lengths.sum() + len(lengths), np.uint8)
    at = 0
    for word in range(len(places)):
        for k in range(lengths[word]):
            joined[at + k] = text[places[word] + k]
        at += lengths[word]
        joined[at] = 10
        at += 1
    return joined[: max(at - 1, 0)]


@compiled
def substitute(
    tokens: np.ndarray, offsets: np.ndarray, words: np.ndarray, size: int, shortest: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the documents with `words[offsets[t]:offsets[t + 1]]` for every token t.

    Returns:
        Tokens of documents of at least `shortest` words, `END_OF_DOCUMENT` after each; how often each of the
        `size` words occurs in them; how many they are.
    """
    total = 0
    for token in tokens:
        total += 1 if token < 0 else offsets[token + 1] - offsets[token]
    changed, frequency = np.empty(total, np.int32), np.zeros(size, np.int64)
    used = first = kept = 0
    for token in tokens:
        if token >= 0:
            for at in range(offsets[token], offsets[token + 1]):
                changed[used] = words[at]
                used += 1
        elif used > first and used - first >= shortest:
            changed[used] = END_OF_DOCUMENT
            used += 1
            first = used
            kept += 1
        else:
            used = first
    for i in range(used):
        if changed[i] >= 0:
            frequency[changed[i]] += 1
    return changed[:used], frequency, kept
