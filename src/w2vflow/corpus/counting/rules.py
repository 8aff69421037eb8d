"""Counting rules: windows, weights by distance, words outside the vocabulary, subsampling."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from w2vflow.corpus.counting.tokenizers import TOKENS, Tokenizer, is_tokenizer_file, tokenizer
from w2vflow.corpus.segmenters import SEGMENTERS, described_segmenter
from w2vflow.counts import DIRECTIONS
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error, check_at_least, check_positive

__all__ = ["WEIGHTINGS", "CountingRule", "pair_weights"]

WEIGHTINGS = ("linear", "harmonic", "flat")

# Longer than any document of the largest corpora; weights of pairs and their sums stay exact in 64 bits.
_LARGEST_WINDOW = 2**20


@checked
@dataclass(frozen=True)
class CountingRule:
    """What is counted. All of it is stored with the counts.

    By default both directions of a pair are counted, so a pair of equal words adds twice to the diagonal,
    which is kept; the counts are symmetric. Windows end with the document.

    Attributes:
        window: largest distance L of a pair, at least 1.
        weighting: weight of a pair at distance r. `"linear"`: `L + 1 - r`, which is L times the
            expectation over word2vec's window, drawn uniformly from 1..L for every word;
            `"harmonic"`: `1 / r`, as GloVe; `"flat"`: 1.
        out_of_vocabulary: `"before"`: words outside the vocabulary are removed before windows are
            laid, so that their neighbours move together, as in word2vec and GloVe; `"after"`: they keep their
            place.
        min_document_words: documents with fewer words are left out.
        tokens: how text is cut into words: by default `"auto"`, which is `"latin"`, and `"unicode"` where the
            text has letters beyond a to z or apostrophes within words; else see `tokenizer`.
        subsampling: `"none"`; `"sampled"`: each token is dropped with word2vec's probability, by
            random numbers of `seed`, and then treated like a word out of the vocabulary;
            `"expected"`: every count times the probabilities of keeping both words, which is the
            exact expectation of `"sampled"` with `out_of_vocabulary="after"`.
        subsample_threshold: t in the probability of keeping a word, see `keep_probability`.
        seed: of `"sampled"`.
        directions: which contexts of a word are counted: `"both"`; `"right"`: those that stand after it;
            `"left"`: before it, the transpose. The two add up to both.

    References:
        Mikolov et al. (2013), arXiv 1310.4546; Pennington et al. (2014), GloVe; Levy et al. (2015), TACL 3,
        for the two kinds of windows.
    """

    window: int = 16
    weighting: str = "linear"
    out_of_vocabulary: str = "before"
    min_document_words: int = 0
    tokens: str | Tokenizer = "auto"
    subsampling: str = "none"
    subsample_threshold: float = 1e-4
    seed: int = 0
    directions: str = "both"

    def __post_init__(self) -> None:
        check_at_least("window", 1, self.window)
        if self.window > _LARGEST_WINDOW:
            raise argument_error("window", f"at most {_LARGEST_WINDOW:,}", self.window)
        check_at_least("min_document_words", 0, self.min_document_words)
        check_at_least("seed", 0, self.seed)
        check_positive("subsample_threshold", self.subsample_threshold)
        for name, allowed in (
            ("weighting", WEIGHTINGS),
            ("out_of_vocabulary", ("before", "after")),
            ("subsampling", ("none", "expected", "sampled")),
            ("directions", DIRECTIONS),
        ):
            if getattr(self, name) not in allowed:
                raise argument_error(name, f"one of {sorted(allowed)}", repr(getattr(self, name)))

    @property
    def tokens_name(self) -> str:
        """The name of the way text is cut: as given, that of the function, or a file's with its SHA-256."""
        if isinstance(self.tokens, str):
            return repr(tokenizer(self.tokens)) if is_tokenizer_file(self.tokens) else self.tokens
        name = getattr(self.tokens, "__qualname__", None)
        return repr(self.tokens) if name is None else f"{getattr(self.tokens, '__module__', '')}.{name}"

    def _described_tokens(self) -> str:
        name = self.tokens_name
        return described_segmenter(name) if name in SEGMENTERS else TOKENS.get(name, name)

    def describe(self) -> dict[str, Any]:
        """Return the rule in words, for the metadata."""
        sampled: dict[str, Any] = {"subsample_threshold": self.subsample_threshold}
        if self.subsampling == "sampled":
            sampled["seed"] = self.seed
        return {
            "window": self.window,
            "weighting": self.weighting,
            "window_ends_at": "document",
            "out_of_vocabulary": f"removed {self.out_of_vocabulary} windows are laid",
            "directions": self.directions,
            "diagonal": "kept",
            "tokens": self._described_tokens(),
            "min_document_words": self.min_document_words,
            "subsampling": self.subsampling,
            **({} if self.subsampling == "none" else sampled),
        }


@checked
def pair_weights(weighting: str, window: int) -> tuple[np.ndarray, int]:
    """Return the weight of a pair by its distance as int64, and the denominator they share.

    Integers make sums exact in any order. Harmonic weights have the least common multiple of
    1..L as denominator up to L = 22; beyond, 2^32, which rounds a weight by 2^-33 at most.

    Raises:
        ValueError: another weighting, or a window that is none.

    Example:
        >>> pair_weights("harmonic", 4)
        (array([12,  6,  4,  3]), 12)
    """
    CountingRule(window, weighting)
    distance = np.arange(1, window + 1)
    if weighting == "linear":
        return window + 1 - distance, 1
    if weighting == "flat":
        return np.ones(window, np.int64), 1
    common = math.lcm(*distance.tolist())
    denominator = common if window <= 22 else 2**32
    return np.rint(denominator / distance).astype(np.int64), denominator
