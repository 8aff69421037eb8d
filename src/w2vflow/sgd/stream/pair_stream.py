"""Positive pairs in the order of a text, prepared by a thread ahead of their use."""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int32

from w2vflow.corpus import TokenFile
from w2vflow.counts import keep_probability
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error

__all__ = ["PairStream"]

# Pairs in a buffer where they are only counted.
_COUNTED = 2**18
# Whole epochs without a pair after which a stream gives up.
_EMPTY_EPOCHS = 100


class _State(NamedTuple):
    """Where a walk stands: epoch, token, pairs given of that token, pairs given in all."""

    epoch: int = 0
    place: int = 0
    given: int = 0
    pairs: int = 0


class _Walk:
    """The walk over the text. The thread holds this alone, so that a forgotten stream can end."""

    def __init__(self, corpus: TokenFile, window: int, subsample: float, seed: int, state: _State) -> None:
        # One kind of array, whether it can be written or not: the loop is compiled once.
        self._tokens = np.asarray(corpus.tokens).view()
        self._tokens.flags.writeable = False
        keep = np.ceil(keep_probability(corpus.unigram / corpus.unigram.sum(), subsample) * 2.0**32)
        self._keep = np.append(keep, 2.0**32).astype(np.uint64)
        self._window, self._seed, self.state = window, np.uint64(seed), state

    def within_epoch(self, rows: np.ndarray, columns: np.ndarray) -> int:
        """Fill in the next pairs of the epoch; return how many. At its end the next one begins."""
        from w2vflow.sgd.stream.window_kernel import fill_pairs

        epoch, place, given, pairs = self.state
        filled, place, given = fill_pairs(
            self._tokens, self._keep, self._window, self._seed, epoch, place, given, rows, columns
        )
        if place == len(self._tokens):
            epoch, place = epoch + 1, 0
        self.state = _State(epoch, place, given, pairs + filled)
        return filled

    def chunk(self, size: int) -> tuple[np.ndarray, np.ndarray, _State]:
        """Return the next pairs, and where the walk stands after them."""
        # New arrays each time: JAX on a CPU may use them in place.
        rows, columns = np.empty(size, np.int32), np.empty(size, np.int32)
        filled, last = 0, self.state.epoch
        while filled < size:
            found = self.within_epoch(rows[filled:], columns[filled:])
            filled += found
            last = self.state.epoch if found else last
            if self.state.epoch - last > _EMPTY_EPOCHS:
                got = f"one that left none in {_EMPTY_EPOCHS} epochs"
                remedy = "Choose a larger one, or 0 to keep all tokens."
                raise argument_error("subsample", "one that leaves some pairs", got, remedy)
        return rows, columns, self.state


@checked
class PairStream(Iterator[tuple[Int32[np.ndarray, " n"], Int32[np.ndarray, " n"]]]):
    """Endless chunks of positive pairs as word2vec.c meets them in skip-gram training.

    Each epoch walks the text anew. A token of a word of frequency f is dropped with probability
    `1 - keep_probability`, before windows are laid. Every token that is left is a centre: its
    window b is drawn uniformly from 1..window, and all tokens within b on either side, left to
    right, are its contexts. Windows end with the document; word2vec.c cuts after 1,000 words too.
    Rows are centres, columns contexts; word2vec.c has them the other way round, and the law of a pair
    is symmetric.

    Without subsampling, pair (i, j) comes `counts_ij / window` times an epoch on average, where
    `counts` are those of `w2vflow.count` with the same words and window, `weighting="linear"` and
    `out_of_vocabulary="before"`.

    Random numbers are a hash of seed, epoch and place in the text: the pairs do not depend on `size`,
    nor on where the stream was interrupted.

    A thread prepares the next chunks outside the interpreter's lock. It ends with `close`, at the
    end of a `with` block, or when nobody holds the stream any more. One reader at a time.

    Args:
        corpus: the text as word numbers.
        size: pairs in a chunk.
        window: largest distance of a pair.
        subsample: t in the probability of keeping a word; 0 keeps all tokens.
        seed: of the random numbers, 0 to 2^64 - 1.
        state: `state` of a stream with the same corpus, window, subsample and seed, to go on there.
        ahead: chunks that are prepared before they are asked for.

    Raises:
        ValueError: a bad argument, or a text without any pair; on reading, a `subsample` that
            leaves none.

    References:
        Mikolov et al. (2013), arXiv 1310.4546; word2vec.c, `TrainModelThread`; Steele et al.
        (2014), SplitMix64.

    Example:
        >>> text = TokenFile(("a", "b"), np.array([2, 1]), np.array([0, 1, 0, -1], np.int32))
        >>> with PairStream(text, 4, window=1, subsample=0.0) as stream:
        ...     rows, columns = next(stream)
        >>> rows.tolist(), columns.tolist()
        ([0, 1, 1, 0], [1, 0, 0, 1])
    """

    def __init__(
        self,
        corpus: TokenFile,
        size: int,
        *,
        window: int = 5,
        subsample: float = 1e-4,
        seed: int = 0,
        state: Mapping[str, int] | None = None,
        ahead: int = 2,
    ) -> None:
        for name, value in (("size", size), ("window", window), ("ahead", ahead)):
            if not 1 <= value < 2**31:
                raise argument_error(name, "at least 1 and below 2^31", value)
        if not 0 <= seed < 2**64:
            raise argument_error("seed", "0 to 2^64 - 1", seed)
        _check_pairs(corpus.tokens)
        self._settings = (corpus, window, subsample, seed)
        self._tokens, self._size = len(corpus.tokens), size
        self._state = _State() if state is None else _checked_state(state, len(corpus.tokens))
        self._walk = _Walk(*self._settings, self._state)
        self._thread: ThreadPoolExecutor | None = ThreadPoolExecutor(1, "w2vflow-pairs")
        self._ahead, self._chunks = ahead, deque[Future[Any]]()

    def __next__(self) -> tuple[Int32[np.ndarray, " n"], Int32[np.ndarray, " n"]]:
        """Return rows and columns of the next pairs.

        Raises:
            ValueError: the stream is closed, or its subsampling leaves no pairs.
            Exception: an error of the thread, which closes the stream.
        """
        if self._thread is None:
            raise argument_error("stream", "open", "one that was closed", "Make another with its `state`.")
        while len(self._chunks) <= self._ahead:
            self._chunks.append(self._thread.submit(self._walk.chunk, self._size))
        try:
            rows, columns, self._state = self._chunks.popleft().result()
        except BaseException:
            self.close()
            raise
        return rows, columns

    @property
    def state(self) -> dict[str, int]:
        """Where the chunk given last ends; JSON holds it. What the thread has ahead does not count."""
        return self._state._asdict()

    @property
    def pairs(self) -> int:
        """Pairs given so far, before `state` too."""
        return self._state.pairs

    @property
    def tokens(self) -> int:
        """Places of the text walked so far, over all epochs; ends of documents are places too."""
        return self._state.epoch * self._tokens + self._state.place

    @property
    def epochs(self) -> float:
        """Epochs so far, the last one in part, by places of the text."""
        return self.tokens / self._tokens

    @cached_property
    def pairs_per_epoch(self) -> int:
        """Pairs of the first epoch, counted by a walk through it; those of others differ by chance."""
        walk = _Walk(*self._settings, _State())
        rows, columns = np.empty(_COUNTED, np.int32), np.empty(_COUNTED, np.int32)
        while walk.state.epoch == 0:
            walk.within_epoch(rows, columns)
        return walk.state.pairs

    def close(self) -> None:
        """End the thread. `state` stays."""
        if self._thread is not None:
            thread, self._thread = self._thread, None
            thread.shutdown(cancel_futures=True)
            self._chunks.clear()

    def __enter__(self) -> "PairStream":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _check_pairs(tokens: np.ndarray) -> None:
    """Raise `ValueError` unless two words stand side by side somewhere."""
    block = 2**20
    for start in range(0, len(tokens), block):
        word = tokens[start : start + block + 1] >= 0
        if (word[1:] & word[:-1]).any():
            return
    expected = "a text with two words of the vocabulary in one document"
    remedy = "Give longer documents or a larger vocabulary."
    raise argument_error("corpus", expected, "one in which no pair exists", remedy)


def _checked_state(state: Mapping[str, int], tokens: int) -> _State:
    if set(state) != set(_State._fields):
        raise argument_error("state", f"the numbers {', '.join(_State._fields)}", f"{dict(state)}")
    found = _State(**state)
    if min(found) < 0 or found.place >= tokens:
        expected = f"that of a stream over these {tokens} tokens"
        raise argument_error("state", expected, dict(state), "Use the same token file.")
    return found
