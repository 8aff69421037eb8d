"""word2vec's walk over a text, compiled. Imported when first needed: numba is slow to load."""

import numpy as np

from w2vflow.corpus import END_OF_DOCUMENT
from w2vflow.support.compiled import compiled

__all__ = ["fill_pairs"]

# Tokens kept at a time, beside the windows around them. Few, because what was looked at beyond the
# last pair of a call is looked at again in the next.
_AHEAD = 1024

_STEP = np.uint64(0x9E3779B97F4A7C15)


@compiled
def _mixed(value: np.uint64) -> np.uint64:
    """Return the finaliser of SplitMix64."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@compiled
def _draw(key: np.uint64, place: int) -> np.uint64:
    """Return output number `place` of SplitMix64 from the state `key`: 64 random bits of a token."""
    return _mixed(key + np.uint64(place + 1) * _STEP)


@compiled
def _look_back(tokens: np.ndarray, keep: np.ndarray, key: np.uint64, place: int, before: np.ndarray) -> None:
    """Fill `before` with the tokens of the same document that are kept before a place, the nearest last."""
    before[:] = END_OF_DOCUMENT
    left = len(before)
    while left > 0 and place > 0 and tokens[place - 1] != END_OF_DOCUMENT:
        place -= 1
        if _draw(key, place) >> np.uint64(32) < keep[tokens[place]]:
            left -= 1
            before[left] = tokens[place]


@compiled
def fill_pairs(
    tokens: np.ndarray,
    keep: np.ndarray,
    window: int,
    seed: np.uint64,
    epoch: int,
    place: int,
    given: int,
    rows: np.ndarray,
    columns: np.ndarray,
) -> tuple[int, int, int]:
    """Fill `rows` and `columns` with the next pairs (centre, context) of an epoch.

    The random numbers of a token are a hash of seed, epoch and place: the upper 32 bits decide
    whether it is kept, the lower 32 how far its window reaches. So nothing depends on where a call
    begins.

    Args:
        tokens: word numbers, `END_OF_DOCUMENT` between documents.
        keep: V + 1 values, uint64: a token of word w is kept if 32 random bits are below `keep[w]`;
            the last is that of `END_OF_DOCUMENT`, 2^32.
        window: largest distance.
        seed, epoch: of the random numbers.
        place: of the token to go on with.
        given: how many pairs of its window were given before.
        rows, columns: to be filled.

    Returns:
        How many pairs were filled in; place of the next token that has a pair to give,
        `len(tokens)` at the end of the epoch; how many pairs of it were given.
    """
    key = _mixed(_mixed(seed + _STEP) ^ np.uint64(epoch))
    room = 2 * window + _AHEAD
    # Words beyond those read are ends of documents, for the last window of the text.
    words, draws = np.full(room + window, END_OF_DOCUMENT, np.int32), np.empty(room, np.uint64)
    places = np.empty(room, np.int64)
    _look_back(tokens, keep, key, place, words[:window])
    used, filled = window, 0
    while True:
        while used < room and place < len(tokens):
            # Written first and counted if kept: whether it is, no processor can guess.
            words[used], draws[used], places[used] = tokens[place], _draw(key, place), place
            used += draws[used] >> np.uint64(32) < keep[words[used]]
            place += 1
        last = used - window
        if place == len(tokens):
            words[used : used + window] = END_OF_DOCUMENT
            last = used
        for centre in range(window, last):
            word = words[centre]
            if word == END_OF_DOCUMENT:
                continue
            reach = 1 + np.int64((draws[centre] & np.uint64(0xFFFFFFFF)) * np.uint64(window) >> np.uint64(32))
            start, end = centre, centre + 1
            while start > centre - reach and words[start - 1] != END_OF_DOCUMENT:
                start -= 1
            while end <= centre + reach and words[end] != END_OF_DOCUMENT:
                end += 1
            for index in range(given, end - start - 1):
                if filled == len(rows):
                    return filled, places[centre], index
                other = start + index
                rows[filled], columns[filled] = word, words[other + (other >= centre)]
                filled += 1
            given = 0
        if last == used:
            return filled, len(tokens), 0
        # What is not yet a centre, and the window before it, go to the front.
        kept = used - last + window
        words[:kept] = words[used - kept : used]
        draws[:kept], places[:kept] = draws[used - kept : used], places[used - kept : used]
        used = kept
