"""JSON, CSV and TSV as a stream of documents: which column is text, and how files are recognised."""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import PurePath
from statistics import median
from typing import Any, NamedTuple

from w2vflow.corpus.reading.encodings import Utf8Stream
from w2vflow.corpus.reading.facts import FileFacts
from w2vflow.corpus.reading.tables import choose_column
from w2vflow.support.addresses import is_address, place_of
from w2vflow.support.checks import argument_error
from w2vflow.support.packed_files import unpacked_name

__all__ = ["TABLES", "ending", "read_json", "read_table", "table_kind"]

# Readers of tables by the ending of a file.
TABLES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
}
# Rows that are looked at to choose a column.
_SAMPLE = 100
_CHUNK = 2**18
_OBJECT = re.compile(r'\{\s*"(?:[^"\\\n]|\\.)*"\s*:')
_ARRAY = re.compile(r'\[\s*(?:\{\s*"(?:[^"\\\n]|\\.)*"\s*:|"(?:[^"\\\n]|\\.)*"\s*[,\]])')
_BREAKS_OFF = ("Unterminated string", "Invalid \\uXXXX escape")
_NUMBER = re.compile(r"[-+]?[\d.,:/ -]*\d[\d.,:/ %eE+-]*")
_NAME = re.compile(r"[^\W\d][\w.\-/()#%]*(?: [\w.\-/()#%]+){0,2}")
# Names that tell the first row of a table from a row.
# fmt: off
_NAMES = frozenset((
    "text", "content", "contents", "body", "article", "document", "doc", "sentence", "review", "title",
    "abstract", "description", "message", "tweet", "summary", "label", "id", "url", "name", "lang",
    "date", "author", "category", "source", "target", "score", "rating", "topic", "class",
))
# fmt: on


class _Layout(NamedTuple):
    """How the rows of a table are written: columns by name, or by number where no header names them."""

    delimiter: str
    quoted: bool
    columns: list[str]
    has_header: bool


def ending(name: str) -> str:
    """Return the ending of a file in small letters, that of what is packed in it if it is."""
    plain = place_of(name)[0] if is_address(name) else name
    return PurePath(unpacked_name(plain.casefold())).suffix


def table_kind(head: str, whole: bool, name: str) -> str | None:
    """Return the reader for a text of rows, `jsonl`, `csv` or `tsv`; None for another.

    Args:
        head: its beginning.
        whole: nothing follows.
        name: of the file, whose ending is believed.
    """
    if found := TABLES.get(ending(name)):
        return found
    if _is_json(head, whole):
        return "jsonl"
    for reader in ("tsv", "csv"):
        if _layout(head, whole, reader, named=False):
            return reader
    return None


def _is_json(head: str, whole: bool) -> bool:
    start = head.lstrip()
    if not (_OBJECT.match(start) or _ARRAY.match(start)):
        return False
    found: list[Any] = []
    try:
        found.extend(islice(_json_values(start, iter(())), _SAMPLE))
    except _NotJsonError as error:
        if error.breaks_off and not whole:
            return True
        if not found or not isinstance(found[0], dict):
            return False
        # Broken later, but no prose: an object that is a line, or first in an array.
        line = json.JSONDecoder().raw_decode(start)[1] if start[0] == "{" else 0
        return start[0] == "[" or bool(re.match(r"[ \t\r]*\n", start[line:]))
    return True


class _NotJsonError(ValueError):
    """JSON that is malformed, or breaks off."""

    def __init__(self, reason: str, breaks_off: bool) -> None:
        super().__init__(reason)
        self.breaks_off = breaks_off


def _json_values(head: str, more: Iterator[str]) -> Iterator[Any]:
    """Yield the values of a text of several, one after the other or in one array."""
    decode = json.JSONDecoder().raw_decode
    skip = re.compile(r"[\s,]*")
    text, at, listed = head.lstrip(), 0, False
    if text.startswith("["):
        listed, at = True, 1
    wanted = 0
    while True:
        at = skip.match(text, at).end()  # type: ignore[union-attr]
        if listed and text.startswith("]", at):
            if text[at + 1 :].strip() or any(part.strip() for part in more):
                raise _NotJsonError("something behind the array", False)
            return
        reason = "it ends within an array"
        if at < len(text):
            try:
                value, end = decode(text, at)
            except json.JSONDecodeError as error:
                reason = error.msg
                if not error.msg.startswith(_BREAKS_OFF) and error.pos < len(text) - 8:
                    raise _NotJsonError(
                        f"{reason} before {text[error.pos : error.pos + 20]!r}", False
                    ) from error
            except (ValueError, RecursionError) as error:
                raise _NotJsonError(str(error), False) from error
            else:
                # A number at the end may go on.
                if end < len(text) or isinstance(value, dict | str | list):
                    yield value
                    at, wanted = end, 0
                    continue
        # Twice as much at each try: a value is not decoded over and over.
        wanted = max(_CHUNK, 2 * wanted)
        parts: list[str] = []
        while sum(map(len, parts)) < wanted and (part := next(more, "")):
            parts.append(part)
        if not parts:
            if at < len(text) or listed:
                raise _NotJsonError(reason, True)
            return
        text, at = text[at:] + "".join(parts), 0


def read_json(text: Utf8Stream, name: str, column: str | None, facts: FileFacts) -> Iterator[str]:
    """Yield the documents of JSON: of objects one a line, or of an array of objects or texts.

    Raises:
        ValueError: what is no such JSON, or breaks off; no such column, or several that are text.
    """
    parts = (part.decode() for part in iter(lambda: text.read(_CHUNK), b""))
    values = _json_values(next(parts, ""), parts)
    rows = _named_rows(values, name)
    sample = list(islice(rows, _SAMPLE))
    if not sample:
        return
    if not all(isinstance(row, str) for row in sample):
        kinds: dict[str, list[Any]] = {}
        for row in sample:
            for key, value in row.items() if isinstance(row, dict) else ():
                kinds.setdefault(key, []).append(value)
        column = facts.column = choose_column(column, {key: _kind(found) for key, found in kinds.items()})
    for number, row in enumerate(chain(sample, rows), 1):
        entry = row.get(facts.column) if isinstance(row, dict) else row
        if entry is not None and not isinstance(entry, str):
            got = f"{facts.column!r}, with {str(entry)[:40]!r} in entry {number} of {name}"
            raise argument_error("column", "one of text", got)
        if entry is not None:
            yield entry


def _named_rows(values: Iterator[Any], name: str) -> Iterator[dict[str, Any] | str]:
    number = 0
    while True:
        number += 1
        try:
            row = next(values)
        except StopIteration:
            return
        except _NotJsonError as error:
            got = f"{name}, not so in entry {number} ({error})"
            remedy = 'Mend it, or pass `reader="lines"` to have it counted as it is.'
            raise argument_error("paths", "whole JSON", got, remedy) from error
        if row is None:
            continue
        if not isinstance(row, dict | str):
            got = f"{name} with a {type(row).__name__} as entry {number}"
            raise argument_error("paths", "JSON objects or texts, one a line or in an array", got)
        yield row


def read_table(
    text: Utf8Stream, name: str, reader: str, column: str | None, facts: FileFacts
) -> Iterator[str]:
    """Yield the documents in a column of CSV or TSV, line breaks in quotes included.

    Columns of a table without names are called by number, "1" first.

    Raises:
        ValueError: rows of different numbers of fields; no such column, or several that are text.
    """
    first = text.head(2**16)
    layout = _layout(first.decode("utf-8", "ignore"), len(first) < 2**16, reader, named=True)
    if layout is None:
        got = f"{name}, with rows of different numbers of fields"
        remedy = 'Mend it, or pass `reader="lines"` to have it counted as it is.'
        raise argument_error("paths", f"{reader.upper()}, every row of as many fields", got, remedy)
    csv.field_size_limit(max(csv.field_size_limit(), 2**30))
    parts = (part.decode() for part in iter(lambda: text.read(_CHUNK), b""))
    rows = _whole_rows(_reader(_lines(parts), layout.delimiter, layout.quoted), layout, name)
    if layout.has_header:
        next(rows, None)
    sample = list(islice(rows, _SAMPLE))
    if not sample:
        return
    kinds = {key: _kind(found) for key, found in zip(layout.columns, zip(*sample, strict=True), strict=True)}
    facts.column = choose_column(column, kinds)
    place = layout.columns.index(facts.column)
    yield from (row[place] for row in chain(sample, rows) if row[place])


def _whole_rows(rows: Iterator[list[str]], layout: _Layout, name: str) -> Iterator[list[str]]:
    number = 0
    while True:
        number += 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            got = f"{name}, not so in row {number} ({error})"
            raise argument_error("paths", "a whole table", got, "Mend the row.") from error
        if row and len(row) != len(layout.columns):
            expected = f"a table of {len(layout.columns)} columns"
            got = f"{name} with {len(row)} fields in row {number}"
            raise argument_error("paths", expected, got, "Mend the row.")
        if row:
            yield row


def _lines(parts: Iterator[str]) -> Iterator[str]:
    """Yield lines with their ends; of other ends than line feeds, such as U+2028, a field may have some."""
    rest = ""
    for part in parts:
        *lines, rest = (rest + part).split("\n")
        yield from (f"{line}\n" for line in lines)
    if rest:
        yield rest


def _reader(lines: Iterator[str], delimiter: str, quoted: bool) -> Iterator[list[str]]:
    quoting: Any = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    return csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)


def _layout(head: str, whole: bool, reader: str, *, named: bool) -> _Layout | None:
    """Return how the rows of a table are written; None if they are none.

    Args:
        head, whole: as in `table_kind`.
        reader: `csv` or `tsv`.
        named: the file is said to be a table; else it must be one plainly.
    """
    for delimiter in ("\t",) if reader == "tsv" else (",", ";", "\t", "|") if named else (",", ";"):
        # Of thousands of small files, most need no rows to tell.
        if delimiter not in head:
            continue
        # Most tables with tabs have no quotes, and a field of them may begin with one.
        for quoted in (
            (True, False) if delimiter != "\t" or '\t"' in head or head.startswith('"') else (False,)
        ):
            rows = _first_rows(head, whole, delimiter, quoted)
            if rows and len(rows[0]) > 1 and len(set(map(len, rows))) == 1:
                layout = _Layout(delimiter, quoted, *_columns(rows))
                if named or _is_plainly_table(rows, layout, head):
                    return layout
    rows = _first_rows(head, whole, ",", True)
    if named and (not head or (rows and {len(row) for row in rows} == {1})):
        return _Layout(",", True, rows[0] if rows else ["1"], True)
    return None


def _first_rows(head: str, whole: bool, delimiter: str, quoted: bool) -> list[list[str]]:
    """Return the rows that are whole in the beginning of a table; none if it cannot be one."""
    rows: list[list[str]] = []
    reader = _reader(_lines(iter([head])), delimiter, quoted)
    try:
        rows.extend(row for row in reader if row)
    except csv.Error as error:
        if whole or "unexpected end" not in str(error):
            return []
    else:
        if not whole and len(rows) > 1:
            rows.pop()
    return rows


def _columns(rows: list[list[str]]) -> tuple[list[str], bool]:
    """Return the names of columns and whether the first row has them, which are else their numbers."""
    first, body = rows[0], rows[1:]
    names = [name.strip() for name in first]
    # Tables of other programs often have a column without a name, of numbers of rows.
    wordlike = all(_NAME.fullmatch(name) for name in names[1:]) and bool(
        _NAME.fullmatch(names[0]) or not names[0]
    )
    if wordlike and len(set(names)) == len(names) and _tells_header(names, body):
        return first, True
    return [str(number) for number in range(1, len(first) + 1)], False


def _tells_header(names: Sequence[str], body: list[list[str]]) -> bool:
    if not body or any(name.casefold() in _NAMES for name in names):
        return True
    return any(all(_NUMBER.fullmatch(entry) for entry in column) for column in zip(*body, strict=True))


def _is_plainly_table(rows: list[list[str]], layout: _Layout, head: str) -> bool:
    """Whether rows that are all of as many fields are a table, and no prose with commas or tabs in it."""
    if "text" in map(str.casefold, layout.columns):
        return len(rows) > 1
    if len(rows) < 3:
        return False
    if layout.delimiter == "\t":
        return any(row[0] for row in rows)
    # In prose a comma is followed by a space.
    fields = [field for row in rows for field in row[1:]]
    if sum(field.startswith(" ") for field in fields) > 0.1 * len(fields):
        return False
    if layout.has_header:
        return True
    return layout.quoted and all(line.startswith('"') for line in head.split("\n")[:3])


def _kind(values: Sequence[Any]) -> str:
    """Return what a column holds, as `choose_column` takes it."""
    there = [value for value in values if value is not None and value != ""]
    if not there:
        return "none"
    if not all(isinstance(value, str) for value in there):
        return "other"
    if all(map(_NUMBER.fullmatch, there)):
        return "number"
    return "prose" if median(map(_words, there)) >= 5 else "text"


def _words(text: str) -> float:
    """Return about how many words a text has; scripts without spaces have one for two letters or so."""
    spaced = sum(any(map(str.isalpha, word)) for word in text.split())
    return max(spaced, sum(letter >= "\u0e00" and letter.isalpha() for letter in text) / 4)
