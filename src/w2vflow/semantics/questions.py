"""Files of analogy questions and of word pairs."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.packed_files import open_unpacked, told_damages

__all__ = [
    "Question",
    "Questions",
    "broken_line",
    "cells",
    "pairwise_questions",
    "read_lines",
    "read_pairs",
    "read_questions",
]


class Question(NamedTuple):
    """`a` is to `b` as `c` is to what? All words case-folded; `answers` are all that are right."""

    a: str
    b: str
    c: str
    answers: tuple[str, ...]


@checked
@dataclass(frozen=True)
class Questions:
    """Questions by category, in order of appearance; none in a category of too few pairs.

    Made by `read_questions` and `pairwise_questions`.
    """

    categories: Mapping[str, Sequence[Question]]

    @property
    def too_few(self) -> tuple[str, ...]:
        """The categories without a question: it takes two pairs."""
        return tuple(name for name, asked in self.categories.items() if not asked)

    def __len__(self) -> int:
        return sum(map(len, self.categories.values()))


@checked
def read_questions(path: str | os.PathLike[str]) -> Questions:
    """Return the questions of a file in Google's format or MSR's, or of a folder in that of BATS.

    Google's `questions-words.txt`: lines `: category`, each followed by its questions, four words a line; a
    category that comes twice is one; if there is none, all are of one named after the file. MSR's
    `word_relationship.questions`: three words a line, with categories and fourth words in a file `.answers`
    beside it. Files may be packed. BATS: a folder, with or without folders in it, of files `*.txt`, one a
    category, named after the file; lines of a word, a tab or spaces, and its right answers with `/` (or `,`)
    between them. Its questions are all ordered pairs of different lines of a category: the first of one
    line's answers stands for `b`, all of the other line's are right.

    Args:
        path: the file or the folder.

    Raises:
        ValueError: a line that is neither a category nor a question (or pair), or not UTF-8, with
            its number; nothing but categories without a question.
        FileNotFoundError: there is no such file, or no `*.txt` in the folder.

    References:
        Mikolov et al. 2013, arXiv 1301.3781; Mikolov, Yih and Zweig 2013, "Linguistic Regularities in
        Continuous Space Word Representations" (MSR); Gladkova, Drozd and Matsuoka 2016, "Analogy-based
        Detection of Morphological and Semantic Relations With Word Embeddings" (BATS).
    """
    path = Path(path)
    if path.is_dir():
        questions = Questions({name: _all_questions(pairs) for name, pairs in _read_answers(path).items()})
    else:
        questions = Questions(_read_quadruples(path))
    if not len(questions):
        raise argument_error("questions", "a file with questions in it", f"{path}, which has none")
    return questions


@checked
def read_pairs(path: str | os.PathLike[str]) -> dict[str, list[tuple[str, str]]]:
    """Return the distinct word pairs of every category, case-folded, in order of appearance.

    Of a word with several answers it is the first that makes the pair.

    Args:
        path: a file or folder as `read_questions` takes it.

    Raises:
        ValueError, FileNotFoundError: as `read_questions`, but a folder may have categories of one pair.
    """
    path = Path(path)
    if path.is_dir():
        return {
            name: list(dict.fromkeys((word, answers[0]) for word, answers in pairs))
            for name, pairs in _read_answers(path).items()
        }
    return {
        name: list(dict.fromkeys(pair for q in asked for pair in ((q.a, q.b), (q.c, q.answers[0]))))
        for name, asked in read_questions(path).categories.items()
    }


@checked
def pairwise_questions(pairs: Mapping[str, Iterable[tuple[str, str]]]) -> Questions:
    """Return all ordered pairs of different word pairs of every category, as questions.

    So the code of arXiv 2502.09863 rebuilds Google's questions, which ask only part of them. Categories
    thereby get other weights: accuracies over all of them are not comparable with those of the questions as
    published.

    Args:
        pairs: the word pairs of every category, as `read_pairs` gives them. Pairs that are the same
            but for case count once.

    Example:
        >>> questions = pairwise_questions({"family": [("man", "woman"), ("king", "queen")], "one": []})
        >>> [tuple(question) for question in questions.categories["family"]]
        [('man', 'woman', 'king', ('queen',)), ('king', 'queen', 'man', ('woman',))]
        >>> questions.too_few
        ('one',)
    """
    return Questions(
        {
            name: _all_questions([(word.casefold(), (answer.casefold(),)) for word, answer in known])
            for name, known in pairs.items()
        }
    )


def _all_questions(pairs: Iterable[tuple[str, tuple[str, ...]]]) -> list[Question]:
    """Return the questions of all ordered pairs of different `(word, right answers)`."""
    return [
        Question(a, answers[0], c, right)
        for (a, answers), (c, right) in permutations(dict.fromkeys(pairs), 2)
    ]


def _read_quadruples(path: Path) -> dict[str, list[Question]]:
    """Return the questions of a file in Google's format, by category."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no file of questions {path}.")
    beside = path.with_suffix(".answers")
    if path.suffix == ".questions" and beside.is_file():
        return _read_triples(path, beside)
    categories: dict[str, list[Question]] = {}
    asked: list[Question] | None = None
    # Those before the first category.
    loose: list[tuple[int, str]] = []
    for number, text in read_lines(path, "questions"):
        if text.startswith(":") and text != ":":
            asked = categories.setdefault(text[1:].strip(" \t"), [])
            continue
        question = cells(text.casefold())
        if len(question) != 4:
            raise broken_line("questions", path, number, "`: category` or four words", text)
        if asked is None:
            loose.append((number, text))
            asked = []
        a, b, c, answer = question
        asked.append(Question(a, b, c, (answer,)))
    if loose and categories:
        number, text = loose[0]
        raise broken_line("questions", path, number, "`: category`, before the first question", text)
    return {path.stem: asked or []} if loose else categories


def _read_triples(path: Path, beside: Path) -> dict[str, list[Question]]:
    """Return the questions of a file in MSR's format, with the categories and answers beside it."""
    categories: dict[str, list[Question]] = {}
    asked, told = list(read_lines(path, "questions")), list(read_lines(beside, "questions"))
    if len(asked) != len(told):
        got = f"{len(asked)} and {len(told)} in {path} and {beside.name}"
        raise argument_error("questions", "files of as many questions as answers", got)
    for (number, text), (place, answer) in zip(asked, told, strict=True):
        words, right = cells(text.casefold()), cells(answer)
        if len(words) != 3:
            raise broken_line("questions", path, number, "three words", text)
        if len(right) != 2:
            raise broken_line("questions", beside, place, "a category and a word", answer)
        question = Question(words[0], words[1], words[2], (right[1].casefold(),))
        categories.setdefault(right[0], []).append(question)
    return categories


def _read_answers(folder: Path) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Return the word and answers of every line of a folder in the format of BATS, by category."""
    # Hidden files are what systems leave beside unpacked ones.
    files = [f for f in sorted(folder.rglob("*.txt")) if f.is_file() and not f.name.startswith(".")]
    if not files:
        raise FileNotFoundError(f"There is no file of questions in {folder}: it has no *.txt.")
    categories: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for path in files:
        known = categories.setdefault(path.stem, [])
        for number, text in read_lines(path, "questions"):
            fields = text.casefold().split("\t") if "\t" in text else cells(text.casefold())
            listed = fields[-1].strip()
            answers = tuple(answer.strip() for answer in listed.split("/" if "/" in listed else ","))
            word = fields[0].strip()
            if len(fields) != 2 or not word or not all(answers):
                expected = "a word, a tab, and its answers with `/` between them"
                raise broken_line("questions", path, number, expected, text)
            known.append((word, answers))
    return categories


def read_lines(path: Path, argument: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, stripped, each with its number from 1; no byte order mark.

    Raises:
        ValueError: a line that is not UTF-8, with its number, said of `argument`.
    """
    with told_damages(argument, path), open_unpacked(path, argument) as file:
        # At line ends of any system, of bytes: those of text have more, which may be parts of words.
        lines = file.read().removeprefix(b"\xef\xbb\xbf").splitlines()
    for number, line in enumerate(lines, 1):
        try:
            text = line.decode().strip(" \t")
        except UnicodeDecodeError as error:
            raise broken_line(argument, path, number, "UTF-8", line) from error
        if text:
            yield number, text


def cells(text: str) -> list[str]:
    """Return what spaces and tabs separate, and no other space, which may be part of a word."""
    return [cell for cell in re.split("[ \t]+", text) if cell]


def broken_line(argument: str, path: Path, number: int, expected: str, line: str | bytes) -> ValueError:
    """Return the error for a line that is not what it must be."""
    expected = f"a file of which line {number} is {expected}"
    return argument_error(argument, expected, repr(line), f"Mend {path}.")
