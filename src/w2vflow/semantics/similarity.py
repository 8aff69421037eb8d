"""Word similarity: cosines against people's ratings."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from w2vflow.embeddings import check_vectors, first_rows, restrict_words, unit_rows
from w2vflow.semantics.rated_pairs import read_ratings
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.display import shown_words
from w2vflow.support.kinds import ArrayLike

__all__ = ["SimilarityScore", "evaluate_similarity"]

# Cosines are ranked at so many decimals: float64 makes no more of them, and pairs of equal cosine
# must not be put in an order by rounding.
_DECIMALS = 12


@checked
@dataclass(frozen=True)
class SimilarityScore:
    """How well cosines of word vectors follow people's ratings. Made by `evaluate_similarity`.

    Correlations are NaN if there are fewer than two pairs, or all cosines or ratings are equal.

    Attributes:
        spearman: Spearman's rank correlation over the pairs in the vocabulary, equal values at
            their mean rank.
        pearson: Pearson's correlation over the same.
        spearman_of_all: Spearman's over all pairs, cosine 0 standing in for those with an unknown
            word (gensim's `dummy4unknown`). Unlike the share of analogies it is no lower bound.
        total: pairs of which both words are in the vocabulary.
        out_of_vocabulary: the others.
        rated_by: the column of the file that the ratings are from, by number and header.
    """

    spearman: float
    pearson: float
    spearman_of_all: float
    total: int
    out_of_vocabulary: int
    rated_by: str

    def __str__(self) -> str:
        return (
            f"Spearman {self.spearman:.3f}, Pearson {self.pearson:.3f} over {self.total} pairs; "
            f"Spearman {self.spearman_of_all:.3f} with {self.out_of_vocabulary} unknown ones at cosine 0; "
            f"ratings of {shown_words([self.rated_by])}"
        )


@checked
def evaluate_similarity(
    vectors: ArrayLike,
    words: Sequence[str],
    pairs: str | os.PathLike[str],
    *,
    restrict_vocab: int | None = None,
) -> SimilarityScore:
    """Return how well the cosines of word pairs follow the ratings of a file.

    Case is ignored; of words that differ by case alone the first one is meant. These are the rules of
    gensim's `evaluate_word_pairs`, with which the result agrees but for rounding. Cosines are float64, and
    equal if they differ by less than 1e-12.

    Args:
        vectors: one vector a word, `(V, d)`; their lengths do not matter.
        words: the vocabulary in row order, most frequent first if `restrict_vocab` is to have meaning.
        pairs: path or address of a file as the authors of WordSim-353, SimLex-999, SimVerb-3500, MEN, RW,
            MTurk-771, RG-65 and YP-130 publish them, packed or not: two words and a rating a line, between
            tabs, semicolons, commas or else spaces. Lines that start with `#` are comments; the first other
            line may be a header. The rating is in the column that the header calls so (`human`, `mean`,
            `rating`, `score`, `similarity`, `SimLex999` and the like), or else in the third, or in the only
            one of numbers: `SimilarityScore.rated_by` tells which. If all words end in `-n`, `-j`, `-v` or
            `-r`, as MEN's lemmas do, and none of `words` is among them, these ends are dropped.
        restrict_vocab: leave out all words but the first so many.

    Raises:
        ValueError: vectors and words as in `unit_rows`, zero vectors only of words of the file;
            `restrict_vocab` not in 1..V; a line that is no pair with its rating, with its number; several
            columns that may be the ratings; no pairs, or none in the vocabulary.
        FileNotFoundError: there is no such file.
        ConnectionError, ImportError: as `import_vectors`.

    References:
        Finkelstein et al. 2002 (WordSim-353); Hill, Reichart and Korhonen 2015 (SimLex-999); Bruni,
        Tran and Baroni 2014 (MEN); Luong, Socher and Manning 2013 (RW).

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "pairs.txt"
        ...     _ = file.write_text("cat dog 9\\ndog car 3\\ncat car 1\\ncat zebra 5\\n")
        ...     score = evaluate_similarity([[1, 0], [2, 1], [0, 1]], ["cat", "dog", "car"], file)
        >>> round(score.spearman, 6), score.total, score.out_of_vocabulary
        (1.0, 3, 1)
    """
    vectors, words = check_vectors(*restrict_words(vectors, words, restrict_vocab))
    first, read = first_rows(words), read_ratings(pairs)
    if not any(word in first for pair in read.pairs for word in pair[:2]):
        read = read.without_tags()
    rated = read.pairs
    known = np.array([one in first and other in first for one, other, _ in rated])
    if not known.any():
        expected = "a file with a pair of which both words are among `words`"
        got = f"{os.fspath(pairs)} with none in {len(words)} words"
        raise argument_error("pairs", expected, got, "Give more words, or a file in their language.")
    rows = [(first[one], first[other]) for one, other, _ in rated if one in first and other in first]
    asked, place = np.unique(rows, return_inverse=True)
    units = unit_rows(vectors[asked], [words[row] for row in asked], np.float64)
    cosines = np.zeros(len(rated))
    cosines[known] = np.einsum("nd,nd->n", *units[place.reshape(-1, 2).T]).round(_DECIMALS)
    ratings = np.array([rating for *_, rating in rated])
    return SimilarityScore(
        _correlation(rankdata(cosines[known]), rankdata(ratings[known])),
        _correlation(cosines[known], ratings[known]),
        _correlation(rankdata(cosines), rankdata(ratings)),
        len(rows),
        len(rated) - len(rows),
        read.rated_by,
    )


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Return Pearson's correlation, NaN if one of the two is constant."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))
