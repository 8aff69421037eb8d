"""Questions `a is to b as c is to ?`, answered by arithmetic on word vectors."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from w2vflow.checks import argument_error

__all__ = ["AnalogyScore", "evaluate_analogies"]

METHODS = ("3CosAdd", "3CosMul")
# Of Levy and Goldberg, below their equation 4. It keeps a word opposite to `a` from winning alone.
_EPSILON = 1e-3
# Numbers in the matrix of questions x words that is in memory at once: 64 MiB.
_BLOCK_NUMBERS = 2**24


@dataclass(frozen=True)
class AnalogyScore:
    """How many questions were answered rightly. Made by `evaluate_analogies`.

    Attributes:
        correct: questions answered rightly.
        total: questions of which all four words are in the vocabulary.
        out_of_vocabulary: the others.
        by_category: the same of every category, in the order of the file; a category without a
            question in the vocabulary has `total` 0. Empty in the score of a category.
    """

    correct: int
    total: int
    out_of_vocabulary: int
    by_category: Mapping[str, "AnalogyScore"] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """`correct / total`; NaN where no question is in the vocabulary."""
        return self.correct / self.total if self.total else float("nan")

    @property
    def accuracy_of_all(self) -> float:
        """The same with questions outside the vocabulary counted as wrong."""
        asked = self.total + self.out_of_vocabulary
        return self.correct / asked if asked else float("nan")

    def __str__(self) -> str:
        rows = [*self.by_category.items(), ("all", self)]
        width = max(len(name) for name, _ in rows)
        lines = [f"{'':<{width}}{'correct':>9}{'total':>8}{'accuracy':>10}{'of all':>8}{'unknown':>9}"]
        for name, score in rows:
            shares = (
                "-" if np.isnan(share) else f"{share:.1%}"
                for share in (score.accuracy, score.accuracy_of_all)
            )
            lines.append(
                "{:<{}}{:>9}{:>8}{:>10}{:>8}{:>9}".format(
                    name, width, score.correct, score.total, *shares, score.out_of_vocabulary
                )
            )
        return "\n".join(
            [*lines, "unknown: questions with a word outside the vocabulary; of all: these wrong"]
        )


def evaluate_analogies(
    vectors: Any,
    words: Sequence[str],
    questions: str | os.PathLike[str],
    *,
    method: str = "3CosAdd",
    restrict_vocab: int | None = None,
) -> AnalogyScore:
    """Return how many questions `a is to b as c is to d` the vectors answer rightly.

    The answer is the word, other than `a`, `b` and `c`, that maximises

        3CosAdd:  cos(w, b) - cos(w, a) + cos(w, c)
        3CosMul:  s(w, b) s(w, c) / (s(w, a) + 0.001),   s = (1 + cos) / 2

    which for 3CosAdd is the word nearest to `b - a + c` in angle, the vectors having unit length.
    Case is ignored; of words that differ by case alone the first one stands in questions, and any
    of them is a right answer. These are the rules of gensim's `evaluate_word_analogies`, with which
    3CosAdd agrees. (Its `most_similar_cosmul` adds 1e-6 in place of the published 0.001.)

    Cosines are float32: two words whose scores differ by less than about 1e-6 may change places.
    Questions are answered in blocks of 64 MiB of scores, three times that for 3CosMul.

    Args:
        vectors: one vector a word, `(V, d)`; their lengths do not matter.
        words: the vocabulary in row order, most frequent first if `restrict_vocab` is to have meaning.
        questions: path of a file in the format of Google's `questions-words.txt`: lines
            `: category`, each followed by its questions, four words a line.
        method: `"3CosAdd"` or `"3CosMul"`.
        restrict_vocab: leave out all words but the first so many, in questions and in answers.

    Raises:
        ValueError: vectors that are not a finite matrix or have a zero row; words of another number
            or repeated; an unknown method; a line of the file that is no question, with its number;
            a file without questions, or with none in the vocabulary.
        FileNotFoundError: there is no such file.

    References:
        Mikolov et al. 2013, arXiv 1301.3781 (the questions); Levy and Goldberg 2014, "Linguistic
        Regularities in Sparse and Explicit Word Representations", equations 1 and 4.

    Example:
        >>> import tempfile
        >>> words = ["man", "woman", "king", "queen", "apple"]
        >>> vectors = [[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 1, 1], [-1, -1, 0]]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "questions.txt"
        ...     _ = file.write_text(": people\\nman woman king queen\\n: cities\\nParis France Rome Italy\\n")
        ...     score = evaluate_analogies(vectors, words, file)
        >>> score.accuracy, score.accuracy_of_all, score.by_category["cities"].total
        (1.0, 0.5, 0)
    """
    if method not in METHODS:
        raise argument_error("method", f"one of {METHODS}", repr(method))
    units, words = _unit_rows(vectors, words, restrict_vocab)
    categories = _read_questions(Path(questions))
    folded = [word.casefold() for word in words]
    first = {word: row for row, word in reversed(list(enumerate(folded)))}
    rows = {
        name: np.array([[first[w] for w in q] for q in asked if all(w in first for w in q)], int).reshape(
            -1, 4
        )
        for name, asked in categories.items()
    }
    if not any(len(known) for known in rows.values()):
        raise argument_error(
            "questions",
            "a file with a question of which all four words are among `words`",
            f"{questions} with none in {len(words)} words",
            "Give more words, or a file in their language.",
        )
    same = np.array([first[word] for word in folded])
    right = _answered(units, same, np.concatenate(list(rows.values())), method)
    by_category, start = {}, 0
    for name, asked in categories.items():
        total = len(rows[name])
        correct = int(right[start : start + total].sum())
        by_category[name] = AnalogyScore(correct, total, len(asked) - total)
        start += total
    outside = sum(score.out_of_vocabulary for score in by_category.values())
    return AnalogyScore(int(right.sum()), len(right), outside, by_category)


def _unit_rows(
    vectors: Any, words: Sequence[str], restrict_vocab: int | None
) -> tuple[np.ndarray, Sequence[str]]:
    """Return the vectors at unit length, float32, and their words, after checking both."""
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise argument_error("vectors", "of shape (V, d), one row a word", f"shape {vectors.shape}")
    if len(words) != len(vectors):
        raise argument_error("words", f"one for each of the {len(vectors)} vectors", f"{len(words)} words")
    if restrict_vocab is not None:
        if not 1 <= restrict_vocab <= len(words):
            raise argument_error(
                "restrict_vocab", f"between 1 and the vocabulary size {len(words)}", restrict_vocab
            )
        vectors, words = vectors[:restrict_vocab], words[:restrict_vocab]
    word, times = Counter(words).most_common(1)[0]
    if times > 1:
        raise argument_error("words", "different", f"{word!r} {times} times", "Keep one vector of each word.")
    if vectors.dtype != np.float32:
        vectors = vectors.astype(np.float64)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise argument_error(
            "vectors", "finite", f"NaN or infinite entries for {words[int(finite.argmin())]!r}"
        )
    # Over the largest entry first: squares of small or large float32 numbers leave its range.
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    if not largest.all():
        zero = [words[row] for row in np.flatnonzero(largest == 0).tolist()]
        named = ", ".join(map(repr, zero[:5])) + (f" and {len(zero) - 5} more" if len(zero) > 5 else "")
        raise argument_error(
            "vectors",
            "non-zero",
            f"zero vectors for {named}",
            "They have no direction: leave these words out.",
        )
    units = (vectors / largest).astype(np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    return units, words


def _read_questions(path: Path) -> dict[str, list[list[str]]]:
    """Return the questions of every category, case folded; a category that comes twice is one."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no file of questions {path}.")
    categories: dict[str, list[list[str]]] = {}
    asked: list[list[str]] | None = None
    for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        try:
            text = line.decode().strip()
        except UnicodeDecodeError as error:
            raise _broken_line(path, number, "UTF-8", line) from error
        if text.startswith(":") and text != ":":
            asked = categories.setdefault(text[1:].strip(), [])
        elif text:
            question = text.casefold().split()
            if len(question) != 4:
                raise _broken_line(path, number, "`: category` or four words", text)
            if asked is None:
                raise _broken_line(path, number, "`: category`, before the first question", text)
            asked.append(question)
    if not any(categories.values()):
        raise argument_error("questions", "a file with questions in it", f"{path}, which has none")
    return categories


def _broken_line(path: Path, number: int, expected: str, line: str | bytes) -> ValueError:
    return argument_error(
        "questions", f"a file of which line {number} is {expected}", f"{line!r}", f"Mend {path}."
    )


def _answered(units: np.ndarray, same: np.ndarray, questions: np.ndarray, method: str) -> np.ndarray:
    """Return which questions are answered rightly.

    Args:
        units: vectors of unit length, `(V, d)`.
        same: for every word the first that is the same but for case, `(V,)`.
        questions: rows of `a, b, c, d`, `(n, 4)`.
        method: one of `METHODS`.
    """
    score = _sums if method == "3CosAdd" else _products
    right = np.empty(len(questions), bool)
    size = max(1, _BLOCK_NUMBERS // len(units))
    for start in range(0, len(questions), size):
        block = questions[start : start + size]
        scores = score(units, *block[:, :3].T)
        np.put_along_axis(scores, block[:, :3], -np.inf, axis=1)
        best = scores.argmax(axis=1)
        # Then other spellings of the three, as long as one of them is ahead.
        left = np.arange(len(block))
        while len(left):
            spelled = (same[best[left], None] == block[left, :3]).any(axis=1)
            left = left[spelled & (scores[left, best[left]] > -np.inf)]
            scores[left, best[left]] = -np.inf
            best[left] = scores[left].argmax(axis=1)
        found = scores[np.arange(len(block)), best] > -np.inf
        right[start : start + size] = found & (same[best] == block[:, 3])
    return right


def _sums(units: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return `cos(w, b) - cos(w, a) + cos(w, c)` of all words, `(n, V)`."""
    return (units[b] - units[a] + units[c]) @ units.T


def _products(units: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return the scores of 3CosMul, `(n, V)`."""

    def shifted(rows: np.ndarray) -> np.ndarray:
        cosines = units[rows] @ units.T
        cosines += 1
        cosines /= 2
        return cosines

    scores = shifted(b)
    scores *= shifted(c)
    scores /= shifted(a) + np.float32(_EPSILON)
    return scores
