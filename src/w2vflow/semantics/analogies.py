"""Analogies: questions `a is to b as c is to ?`, answered by arithmetic on word vectors."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

import numpy as np

from w2vflow.embeddings import first_rows, restrict_words, unit_rows
from w2vflow.semantics.questions import Question, Questions, read_questions
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.display import harmless
from w2vflow.support.kinds import ArrayLike
from w2vflow.support.machine import available_cores

__all__ = ["AnalogyScore", "Rows", "answered", "evaluate_analogies", "first_spellings", "known_rows"]

# Rows of the words of a question: `a`, `b`, `c` and the right answers that are known, one at least.
Rows = tuple[int, int, int, list[int]]

METHODS = ("3CosAdd", "3CosMul")
# Of Levy and Goldberg, below their equation 4. It keeps a word opposite to `a` from winning alone.
_EPSILON = 1e-3
# Words and questions whose scores are in memory at once, in every thread: 2 MiB, which a cache holds.
_BLOCK_WORDS = 2048
_BLOCK_QUESTIONS = 256


@checked
@dataclass(frozen=True)
class AnalogyScore:
    """How many questions were answered rightly. Made by `evaluate_analogies`.

    Attributes:
        correct: questions answered rightly.
        total: questions in the vocabulary: all their words, of several right answers one at least.
        out_of_vocabulary: the others.
        by_category: the scores of all categories, in the order of the file; empty in the score of a category.
    """

    correct: int
    total: int
    out_of_vocabulary: int
    by_category: Mapping[str, "AnalogyScore"] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """`correct / total`; NaN if no question is in the vocabulary."""
        return self.correct / self.total if self.total else float("nan")

    @property
    def accuracy_of_all(self) -> float:
        """The same with questions outside the vocabulary counted as wrong."""
        asked = self.total + self.out_of_vocabulary
        return self.correct / asked if asked else float("nan")

    @property
    def too_few(self) -> tuple[str, ...]:
        """The categories of which no question is in the vocabulary, for want of two known pairs."""
        return tuple(name for name, score in self.by_category.items() if not score.total)

    def __str__(self) -> str:
        rows = [*self.by_category.items(), ("all", self)]
        width = max(len(name) for name, _ in rows)
        lines = [f"{'':<{width}}{'correct':>9}{'total':>8}{'accuracy':>10}{'of all':>8}{'unknown':>9}"]
        for name, score in rows:
            accuracies = (score.accuracy, score.accuracy_of_all)
            known, of_all = ("-" if np.isnan(share) else f"{share:.1%}" for share in accuracies)
            counts = f"{name:<{width}}{score.correct:>9}{score.total:>8}"
            lines.append(f"{counts}{known:>10}{of_all:>8}{score.out_of_vocabulary:>9}")
        lines.append("unknown: questions with a word outside the vocabulary; of all: these wrong")
        if self.too_few:
            lines.append(f"too few known pairs for a question: {', '.join(self.too_few)}")
        return harmless("\n".join(lines))


@checked
def evaluate_analogies(
    vectors: ArrayLike,
    words: Sequence[str],
    questions: str | os.PathLike[str] | Questions,
    *,
    method: str = "3CosAdd",
    restrict_vocab: int | None = None,
) -> AnalogyScore:
    """Return how many questions `a is to b as c is to d` the vectors answer rightly.

    The answer is the word, other than `a`, `b` and `c`, that maximises

        3CosAdd:  cos(w, b) - cos(w, a) + cos(w, c)
        3CosMul:  s(w, b) s(w, c) / (s(w, a) + 0.001),   s = (1 + cos) / 2

    Case is ignored; of words that differ by case alone the first one stands in questions, and any of them is
    a right answer. These are the rules of gensim's `evaluate_word_analogies`, with which 3CosAdd agrees. (Its
    `most_similar_cosmul` adds 1e-6 in place of the published 0.001.) Of several right answers one must be in
    the vocabulary. Cosines are float32: words whose scores differ by less than about 1e-6 may change places.

    Args:
        vectors: one vector a word, `(V, d)`; their lengths do not matter.
        words: the vocabulary in row order, most frequent first if `restrict_vocab` is to have meaning.
        questions: a file or folder as `read_questions` takes it, or the result of that or of
            `pairwise_questions`.
        method: `"3CosAdd"` or `"3CosMul"`.
        restrict_vocab: leave out all words but the first so many, in questions and in answers.

    Raises:
        ValueError: vectors and words as in `unit_rows`; an unknown method; `restrict_vocab` not in 1..V; a
            line of the file that is no question, with its number; no questions, or none in the vocabulary.
        FileNotFoundError: there is no such file.

    References:
        Mikolov et al. 2013, arXiv 1301.3781 (the questions); Levy and Goldberg 2014, "Linguistic
        Regularities in Sparse and Explicit Word Representations", equations 1 and 4.

    Example:
        >>> from w2vflow.semantics import pairwise_questions
        >>> words = ["man", "woman", "king", "queen", "apple"]
        >>> vectors = [[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 1, 1], [-1, -1, 0]]
        >>> questions = pairwise_questions({"people": [("man", "woman"), ("king", "queen")]})
        >>> evaluate_analogies(vectors, words, questions).accuracy
        1.0
    """
    if method not in METHODS:
        raise argument_error("method", f"one of {METHODS}", repr(method))
    vectors, words = restrict_words(vectors, words, restrict_vocab)
    units = unit_rows(vectors, words)
    named = f"{len(questions)} questions" if isinstance(questions, Questions) else os.fspath(questions)
    if not isinstance(questions, Questions):
        questions = read_questions(questions)
    first = first_rows(words)
    known = {name: known_rows(asked, first) for name, asked in questions.categories.items()}
    if not any(known.values()):
        expected = "a file with a question of which all four words are among `words`"
        got = f"{named} with none in {len(words)} words"
        raise argument_error("questions", expected, got, "Give more words, or a file in their language.")
    right = answered(units, first_spellings(words, first), list(chain.from_iterable(known.values())), method)
    by_category, start = {}, 0
    for name, asked in questions.categories.items():
        total = len(known[name])
        correct = int(right[start : start + total].sum())
        by_category[name] = AnalogyScore(correct, total, len(asked) - total)
        start += total
    outside = sum(score.out_of_vocabulary for score in by_category.values())
    return AnalogyScore(int(right.sum()), len(right), outside, by_category)


def first_spellings(words: Sequence[str], first: Mapping[str, int]) -> np.ndarray:
    """Return for every word the row of the first that is the same but for case, given `first_rows`."""
    return np.array([first[word.casefold()] for word in words])


def known_rows(asked: Sequence[Question], first: Mapping[str, int]) -> list[Rows]:
    """Return the rows of the questions in the vocabulary, given those of its words (`first_rows`)."""
    rows = []
    for question in asked:
        a, b, c = (first.get(word) for word in question[:3])
        answers = [first[word] for word in question.answers if word in first]
        if a is not None and b is not None and c is not None and answers:
            rows.append((a, b, c, answers))
    return rows


def answered(
    units: np.ndarray, same: np.ndarray, questions: Sequence[Rows], method: str = "3CosAdd"
) -> np.ndarray:
    """Return which questions are answered rightly by vectors of unit length; `same` of `first_spellings`."""
    best = _best_words(units, same, np.array([question[:3] for question in questions]), method)
    of = np.repeat(np.arange(len(questions)), [len(question[3]) for question in questions])
    answers = np.fromiter(chain.from_iterable(question[3] for question in questions), int)
    right = np.zeros(len(questions), bool)
    right[of[same[best[of]] == answers]] = True
    return right & (best >= 0)


def _best_words(units: np.ndarray, same: np.ndarray, triples: np.ndarray, method: str) -> np.ndarray:
    """Return for every question the best word, -1 if none is left; `same` are first spellings."""
    asking, place = np.unique(triples, return_inverse=True)
    place = place.reshape(triples.shape)
    barred = _barred(same, triples)
    best, most = np.full(len(triples), -1), np.full(len(triples), -np.inf, np.float32)
    parts = np.array_split(np.arange(len(triples)), available_cores())
    with ThreadPoolExecutor(len(parts)) as threads:
        for start in range(0, len(units), _BLOCK_WORDS):
            cosines = units[asking] @ units[start : start + _BLOCK_WORDS].T
            gains, costs = _terms(cosines, method)
            combine = np.add if method == "3CosAdd" else np.multiply
            search = partial(_search, gains, costs, combine, place, barred, start)
            for part, (score, word) in zip(parts, threads.map(search, parts), strict=True):
                # Strictly: of equal words the first, as a maximum over all of them at once would find.
                ahead = score > most[part]
                most[part[ahead]], best[part[ahead]] = score[ahead], word[ahead]
    return best


def _barred(same: np.ndarray, triples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (question, word) for every spelling of every question's own words, by question."""
    order = np.argsort(same, kind="stable")
    spelled = same[order]
    low, high = (np.searchsorted(spelled, triples.ravel(), side) for side in ("left", "right"))
    many = high - low
    within = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    return np.repeat(np.arange(triples.size) // 3, many), order[np.repeat(low, many) + within]


def _terms(cosines: np.ndarray, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the contributions of `b` and `c` to the score of every word, and those of `a`."""
    if method == "3CosAdd":
        return cosines, -cosines
    shifted = (cosines + 1) / 2
    return shifted, 1 / (shifted + np.float32(_EPSILON))


def _search(
    gains: np.ndarray,
    costs: np.ndarray,
    combine: np.ufunc,
    place: np.ndarray,
    barred: tuple[np.ndarray, np.ndarray],
    start: int,
    part: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the highest score in a block of words and its word, for the consecutive questions `part`.

    `gains` and `costs` are contributions of `b` and `c`, and of `a`, a row for each word of the questions;
    `place` are the rows of `a`, `b`, `c` in these; `start` is the first word of the block.
    """
    width = gains.shape[1]
    most, best = np.empty(len(part), np.float32), np.empty(len(part), int)
    # Two buffers for all blocks: fresh memory for each would cost more than the sums.
    total, term = np.empty((2, _BLOCK_QUESTIONS, width), np.float32)
    for low in range(0, len(part), _BLOCK_QUESTIONS):
        block = part[low : low + _BLOCK_QUESTIONS]
        scores, terms = total[: len(block)], term[: len(block)]
        a, b, c = place[block].T
        # `clip`, since with the default `take` buffers its output.
        np.take(gains, b, axis=0, out=scores, mode="clip")
        for table, rows in ((costs, a), (gains, c)):
            np.take(table, rows, axis=0, out=terms, mode="clip")
            combine(scores, terms, out=scores)
        first, last = np.searchsorted(barred[0], [block[0], block[-1] + 1])
        question, word = barred[0][first:last] - block[0], barred[1][first:last] - start
        inside = (word >= 0) & (word < width)
        scores[question[inside], word[inside]] = -np.inf
        found = scores.argmax(axis=1)
        most[low : low + len(block)] = scores[np.arange(len(block)), found]
        best[low : low + len(block)] = found + start
    return most, best
