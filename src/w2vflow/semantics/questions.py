"""Files of analogy questions and of word pairs."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import NamedTuple

from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.sources import PathLike, Source, found_files, missing

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
def read_questions(path: PathLike) -> Questions:
    """Return the questions of a file in Google's format or MSR's, or of a folder in that of BATS.

    Google's `questions-words.txt`: lines `: category`, each followed by its questions, four words a line; a
    category that comes twice is one; if there is none, all are of one named after the file. MSR's
    `word_relationship.questions`: three words a line, with categories and fourth words in a file `.answers`
    beside it. Files may be packed. BATS: a folder, with or without folders in it, of files `*.txt`, one a
    category, named after the file; lines of a word, a tab or spaces, and its right answers with `/` (or `,`)
    between them. Its questions are all ordered pairs of different lines of a category: the first of one
    line's answers stands for `b`, all of the other line's are right.

    Args:
        path: the file or the folder, here or at an address such as `s3://...`; `-` is standard input.

    Raises:
        ValueError: a line that is neither a category nor a question (or pair), or not UTF-8, with
            its number; nothing but categories without a question.
        FileNotFoundError: there is no such file, or no `*.txt` in the folder.
        ConnectionError, ImportError: as `import_vectors`.

    References:
        Mikolov et al. 2013, arXiv 1301.3781; Mikolov, Yih and Zweig 2013, "Linguistic Regularities in
        Continuous Space Word Representations" (MSR); Gladkova, Drozd and Matsuoka 2016, "Analogy-based
        Detection of Morphological and Semantic Relations With Word Embeddings" (BATS).
    """
    source = Source(path, "questions")
    if source.is_folder:
        questions = Questions({name: _all_questions(pairs) for name, pairs in _read_answers(source).items()})
    else:
        questions = Questions(_read_quadruples(source))
    if not len(questions):
        raise argument_error("questions", "a file with questions in it", f"{source.name}, which has none")
    return questions


@checked
def read_pairs(path: PathLike) -> dict[str, list[tuple[str, str]]]:
    """Return the distinct word pairs of every category, case-folded, in order of appearance.

    Of a word with several answers it is the first that makes the pair.

    Args:
        path: a file or folder as `read_questions` takes it.

    Raises:
        ValueError, FileNotFoundError: as `read_questions`, but a folder may have categories of one pair.
    """
    source = Source(path, "questions")
    if source.is_folder:
        return {
            name: list(dict.fromkeys((word, answers[0]) for word, answers in pairs))
            for name, pairs in _read_answers(source).items()
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


def _read_quadruples(source: Source) -> dict[str, list[Question]]:
    """Return the questions of a file in Google's format, by category."""
    source.check_exists("file of questions")
    if source.suffix == ".questions":
        beside = source.beside(f"{source.stem}.answers{source.packing}")
        beside = beside if beside.exists else source.beside(f"{source.stem}.answers")
        if beside.exists:
            return _read_triples(source, beside)
    categories: dict[str, list[Question]] = {}
    asked: list[Question] | None = None
    # Those before the first category.
    loose: list[tuple[int, str]] = []
    for number, text in read_lines(source):
        if text.startswith(":") and text != ":":
            asked = categories.setdefault(text[1:].strip(" \t"), [])
            continue
        question = cells(text.casefold())
        if len(question) != 4:
            raise broken_line(source, number, "`: category` or four words", text)
        if asked is None:
            loose.append((number, text))
            asked = []
        a, b, c, answer = question
        asked.append(Question(a, b, c, (answer,)))
    if loose and categories:
        number, text = loose[0]
        raise broken_line(source, number, "`: category`, before the first question", text)
    return {source.stem: asked or []} if loose else categories


def _read_triples(source: Source, beside: Source) -> dict[str, list[Question]]:
    """Return the questions of a file in MSR's format, with the categories and answers beside it."""
    categories: dict[str, list[Question]] = {}
    asked, told = list(read_lines(source)), list(read_lines(beside))
    if len(asked) != len(told):
        got = f"{len(asked)} and {len(told)} in {source.name} and {beside.name}"
        raise argument_error("questions", "files of as many questions as answers", got)
    for (number, text), (place, answer) in zip(asked, told, strict=True):
        words, right = cells(text.casefold()), cells(answer)
        if len(words) != 3:
            raise broken_line(source, number, "three words", text)
        if len(right) != 2:
            raise broken_line(beside, place, "a category and a word", answer)
        question = Question(words[0], words[1], words[2], (right[1].casefold(),))
        categories.setdefault(right[0], []).append(question)
    return categories


def _read_answers(folder: Source) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Return the word and answers of every line of a folder in the format of BATS, by category."""
    what = "file *.txt of questions in"
    found = [Source(path, "questions") for path in found_files(folder, what, "questions")]
    files = [file for file in found if file.suffix == ".txt"]
    if not files:
        raise missing(what, folder.name)
    categories: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for file in files:
        known = categories.setdefault(file.stem, [])
        for number, text in read_lines(file):
            fields = text.casefold().split("\t") if "\t" in text else cells(text.casefold())
            listed = fields[-1].strip()
            answers = tuple(answer.strip() for answer in listed.split("/" if "/" in listed else ","))
            word = fields[0].strip()
            if len(fields) != 2 or not word or not all(answers):
                expected = "a word, a tab, and its answers with `/` between them"
                raise broken_line(file, number, expected, text)
            known.append((word, answers))
    return categories


def read_lines(source: Source) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, stripped, each with its number from 1; no byte order mark.

    Raises:
        ValueError: a line that is not UTF-8, with its number.
    """
    with source.open() as file:
        # At line ends of any system, of bytes: those of text have more, which may be parts of words.
        lines = file.read().removeprefix(b"\xef\xbb\xbf").splitlines()
    for number, line in enumerate(lines, 1):
        try:
            text = line.decode().strip(" \t")
        except UnicodeDecodeError as error:
            raise broken_line(source, number, "UTF-8", line) from error
        if text:
            yield number, text


def cells(text: str) -> list[str]:
    """Return what spaces and tabs separate, and no other space, which may be part of a word."""
    return [cell for cell in re.split("[ \t]+", text) if cell]


def broken_line(source: Source, number: int, expected: str, line: str | bytes) -> ValueError:
    """Return the error for a line that is not what it must be."""
    expected = f"a file of which line {number} is {expected}"
    return argument_error(source.argument, expected, repr(line), f"Mend {source.name}.")
