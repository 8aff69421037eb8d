"""Files of word pairs with people's ratings, as their authors publish them."""

import csv
import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from w2vflow.semantics.questions import broken_line, cells, read_lines
from w2vflow.support.checks import argument_error
from w2vflow.support.sources import PathLike, Source

__all__ = ["RatedPairs", "read_ratings"]

_LINE = "two words and a finite rating, as 7.5, between tabs, commas, semicolons or spaces"
_FILE = (
    f"a file with {_LINE}, in every line: the rating third, or in the only column of numbers, or in the only "
    "one whose header is `mean`, `rating`, `score`, `similarity` or the like"
)

# Names of columns, of letters and digits alone.
_RATINGS = {
    *("human", "humanmean", "mean", "meanrating", "average", "averagescore", "averagerating", "avg"),
    *("avgscore", "rating", "ratings", "score", "sim", "similarity", "similarityscore", "simlex999"),
    *("relatedness", "gold", "goldscore", "goldstandard", "judgement", "judgment", "value"),
}
_WORDS = re.compile(r"(?:word|w|term|target)([12])")
# Parts of speech, which may stand between the words and the rating.
_TAG = re.compile(r"[nvajr][a-z]{0,2}|noun|verb|adjective|adverb|adv", re.IGNORECASE)
# As MEN tags its words in the form of lemmas.
_TAGGED = re.compile(r"(.+)-[njvr]")


class RatedPairs(NamedTuple):
    """Case-folded words and the rating of every pair, and the column of the ratings in words."""

    pairs: list[tuple[str, str, float]]
    rated_by: str

    def without_tags(self) -> "RatedPairs":
        """Return the pairs without the `-n`, `-j`, `-v` or `-r` of their words, if all have one."""
        found = [(_TAGGED.fullmatch(one), _TAGGED.fullmatch(other)) for one, other, _ in self.pairs]
        bare = [(one[1], other[1]) for one, other in found if one and other]
        if len(bare) < len(self.pairs):
            return self
        return self._replace(
            pairs=[(*words, rating) for words, (*_, rating) in zip(bare, self.pairs, strict=True)]
        )


class _Row(NamedTuple):
    number: int
    text: str
    fields: list[str]


def read_ratings(path: PathLike) -> RatedPairs:
    """Return the rated pairs of a file.

    Raises:
        ValueError: a line that is no pair with its rating, with its number; no pairs; a column of ratings
            that cannot be told from others.
        FileNotFoundError: there is no such file.
    """
    source = Source(path, "pairs")
    source.check_exists("file of word pairs")
    rows = _rows(source)
    header = _header(rows)
    rows = rows[1:] if header else rows
    if not rows:
        raise argument_error("pairs", "a file with rated word pairs in it", f"{source.name}, which has none")
    words = _word_columns(header)
    column = _rating_column(source, rows, header, max(words) + 1)
    pairs: list[tuple[str, str, float]] = []
    for row in rows:
        rating = _number(row.fields, column)
        named = [row.fields[place].casefold() for place in words if place < len(row.fields)]
        if len(named) < 2 or not all(named) or rating is None or not math.isfinite(rating):
            raise broken_line(source, row.number, _LINE, row.text)
        pairs.append((named[0], named[1], rating))
    return RatedPairs(pairs, f"column {column + 1}" + (f" ({header[column]})" if any(header) else ""))


def _rows(source: Source) -> list[_Row]:
    """Return the lines but for comments, cut at what separates the columns of most of them."""
    lines = [line for line in read_lines(source) if not line[1].startswith("#")]
    for separator in "\t;,":
        if 2 * sum(text.count(separator) > 1 for _, text in lines) >= len(lines):
            break
    else:
        return [_Row(number, text, cells(text)) for number, text in lines]
    return [_Row(number, text, _split(text, separator)) for number, text in lines]


def _split(text: str, separator: str) -> list[str]:
    if separator == "\t":
        # Quotation marks are parts of words there.
        return [field.strip(" ") for field in text.split("\t")]
    return [
        field.strip(" ") for field in next(csv.reader([text], delimiter=separator, skipinitialspace=True))
    ]


def _header(rows: Sequence[_Row]) -> list[str]:
    """Return the names of the columns, none if the first line has a number wherever all others have.

    Names that are more or fewer than the columns, as of words with spaces, are taken for empty ones.
    """
    if len(rows) < 2:
        return []
    names, width = rows[0].fields, len(rows[1].fields)
    told = [
        place
        for place in range(2, width)
        if _number(names, place) is None and _most_are_numbers(rows[1:], place)
    ]
    return (names if len(names) == width else [""] * width) if told and len(names) > 2 else []


def _word_columns(header: Sequence[str]) -> tuple[int, int]:
    """Return the columns of the two words: the first two, unless a header names others."""
    found = [(_WORDS.fullmatch(_plain(name)), place) for place, name in enumerate(header)]
    places = {match[1]: place for match, place in found if match}
    return (places["1"], places["2"]) if len(places) == 2 else (0, 1)


def _rating_column(source: Source, rows: Sequence[_Row], header: Sequence[str], start: int) -> int:
    """Return the column of the ratings, of those from `start` on."""
    width = max(len(row.fields) for row in rows)
    numbers = [place for place in range(start, width) if _most_are_numbers(rows, place)]
    if header:
        named = [place for place in numbers if _plain(header[place]) in _RATINGS]
        if len(named) == 1:
            return named[0]
        if named:
            got = f"{source.name}, with columns {', '.join(repr(header[place]) for place in named)}"
            raise argument_error("pairs", _FILE, got, "Leave the one that is meant.")
    if start in numbers or len(rows[0].fields) <= start + 1:
        return start
    tags = all(_TAG.fullmatch(field) for row in rows for field in row.fields[start : min(numbers, default=0)])
    if len(numbers) == 1 and (header or tags):
        return numbers[0]
    if len(numbers) > 1:
        told = f"numbers in columns {', '.join(str(place + 1) for place in numbers)}"
        raise argument_error("pairs", _FILE, f"{source.name}, with {told}", "Leave the one that is meant.")
    raise broken_line(source, rows[0].number, _LINE, rows[0].text)


def _most_are_numbers(rows: Sequence[_Row], place: int) -> bool:
    # Not all: a line that is broken is to be named.
    return 2 * sum(_number(row.fields, place) is not None for row in rows) >= len(rows)


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def _number(fields: Sequence[str], place: int) -> float | None:
    """Return the number in a field, None if there is none."""
    try:
        return float(fields[place]) if place < len(fields) and "_" not in fields[place] else None
    except ValueError:
        return None
