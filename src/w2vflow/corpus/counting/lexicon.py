"""Lexicon: the words of a corpus and how often each occurs, as bytes."""

from collections.abc import Sequence

import numpy as np

__all__ = ["Lexicon"]


class Lexicon:
    """All words of a corpus as UTF-8, one after the other, and how often each occurs.

    A string takes ten times the memory of its letters, and a corpus has millions of words: those that are
    chosen are made strings.
    """

    def __init__(self) -> None:
        self._size = 0
        self._text, self._ends = np.zeros(0, np.uint8), np.zeros(0, np.int64)
        self._keys, self._totals = np.zeros(0, np.uint64), np.zeros(0, np.int64)
        # As `larger_table` makes the smallest.
        self._table, self._shift = np.zeros(1 << 16, np.int32), np.uint64(48)

    def __len__(self) -> int:
        return self._size

    def add(self, joined: np.ndarray, frequency: np.ndarray) -> None:
        """Count words that stand joined by line breaks, uint8, and occur so often, int64."""
        from w2vflow.corpus.counting.lexicon_kernel import add_joined
        from w2vflow.corpus.counting.text_kernel import larger_table

        most = self._size + len(frequency)
        self._text = _with_room(self._text, self._used, self._used + len(joined))
        self._ends = _with_room(self._ends, self._size, most)
        self._keys = _with_room(self._keys, self._size, most)
        self._totals = _with_room(self._totals, self._size, most)
        if 2 * most > len(self._table):
            self._table, self._shift = larger_table(self._keys[: self._size], 2 * most)
        known = (self._text, self._ends, self._keys, self._table, self._shift, self._totals)
        self._size = add_joined(joined, frequency, *known, self._size)

    @property
    def _used(self) -> int:
        return int(self._ends[self._size - 1]) if self._size else 0

    def find(self, joined: np.ndarray, count: int) -> np.ndarray:
        """Return the numbers of words that stand joined by line breaks, -1 for one not known, int32."""
        from w2vflow.corpus.counting.lexicon_kernel import find_joined

        numbers = np.empty(count, np.int32)
        known = (self._text, self._ends, self._keys, self._table, self._shift)
        find_joined(joined, numbers, *known)
        return numbers

    def occurrences(self, words: Sequence[str]) -> np.ndarray:
        """Return how often each of some words occurs, int64."""
        numbers = self._numbers(words)
        found = np.zeros(len(words), np.int64)
        found[numbers >= 0] = self._totals[numbers[numbers >= 0]]
        return found

    def _numbers(self, words: Sequence[str]) -> np.ndarray:
        return self.find(np.frombuffer("\n".join(words).encode(), np.uint8), len(words))

    def ranks(self, words: Sequence[str]) -> np.ndarray:
        """Return the row of every word of the corpus among some words, -1 for none, int32."""
        numbers = self._numbers(words)
        row = np.full(self._size, -1, np.int32)
        row[numbers[numbers >= 0]] = np.flatnonzero(numbers >= 0)
        return row

    def frequencies(self, most: int | None = None) -> dict[str, int]:
        """Return occurrences by word: of all words, or of the `most` frequent ones and those as frequent."""
        least = 0
        totals = self._totals[: self._size]
        if most is not None and 0 < most < self._size:
            least = np.partition(totals, -most)[-most]
        numbers = np.flatnonzero(totals >= max(least, 1))
        return dict(zip(self._strings(numbers), totals[numbers].tolist(), strict=True))

    def first(self, most: int) -> list[str]:
        """Return the `most` words that come first in the text."""
        return self._strings(np.arange(min(most, self._size)))

    def _strings(self, numbers: np.ndarray) -> list[str]:
        starts = np.concatenate([[0], self._ends])[numbers].tolist()
        spans = zip(starts, self._ends[numbers].tolist(), strict=True)
        text = self._text.data
        return [str(text[start:end], "utf-8") for start, end in spans]

    @property
    def occurring(self) -> int:
        """How many different words occur; documents that are left out may hold others."""
        return int(np.count_nonzero(self._totals[: self._size]))


def _with_room(values: np.ndarray, used: int, room: int) -> np.ndarray:
    """Return an array of at least `room` entries with the first `used`; half as large again if it grows."""
    if room <= len(values):
        return values
    grown = np.empty(max(room, 3 * len(values) // 2), values.dtype)
    grown[:used] = values[:used]
    # Counts begin at 0.
    grown[used:] = 0
    return grown
