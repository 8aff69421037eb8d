"""Readers of word-vector files, chosen by content."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from w2vflow.embeddings.ahead import Ahead
from w2vflow.embeddings.binary_vectors import SPACES, binary_rows
from w2vflow.embeddings.tensor_files import read_tensors
from w2vflow.support.checks import argument_error
from w2vflow.support.sources import Source, missing

__all__ = ["READERS", "Rows", "guess_format", "unmarked"]

Host = np.ndarray

# Bytes from which the format of a file is told.
_HEAD = 2**16
# Lines from which the dimension of a file without a header is told.
_FIRST_LINES = 1000
# Beyond any embedding: a larger number in a header is no dimension.
_LARGEST_DIMENSION = 10**6

# Of UTF-8; of UTF-16, in which some systems save text.
_MARK, _OTHER_MARKS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
_DECIMAL_COMMA = re.compile(rb"(?<=\d),(?=\d)")


class Rows(NamedTuple):
    """A file while it is read: rows of number, word and vector, their dimension, and the unit numbered.

    `remedy` is what else may be the matter with a bad row; `sealed`, whether all were held against a digest.
    """

    rows: Iterator[tuple[int, bytes, Host]]
    dim: int
    unit: str
    remedy: str = ""
    sealed: bool = False


def guess_format(data: Ahead, path: str) -> str:
    """Return the format of a file from its first bytes."""
    # What can be read, even if it breaks off behind it.
    head = data.head(_HEAD)
    if not head:
        data.raise_damage()
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        raise argument_error(
            "path",
            "a file of word vectors",
            f"{path}, a pickle, which can run code when it is loaded",
            "If gensim saved it: load it there and call `model.wv.save_word2vec_format(path, binary=True)` "
            "(of a `KeyedVectors`, `vectors.save_word2vec_format`).",
        )
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 10**8:
        return "safetensors"
    if head.startswith(_OTHER_MARKS):
        raise argument_error("path", "a file in UTF-8", f"{path} in UTF-16", "Save it as UTF-8.")
    lines = head.removeprefix(_MARK).split(b"\n")
    fields = lines[0].split()
    # The last line may be cut.
    if b"\t" in lines[0] and all(_numbers(line.split()) is not None for line in lines[: len(lines) - 1 or 1]):
        return "tensorboard"
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        return "word2vec-text" if _is_text(lines[1:], int(fields[1])) else "word2vec-binary"
    if len(fields) > 1 and _numbers([_DECIMAL_COMMA.sub(b".", fields[-1])]) is not None:
        return "glove"
    expected = f"a file in one of the formats {tuple(READERS)}"
    remedy = "Columns are told by spaces or tabs." if b"," in lines[0] or b";" in lines[0] else ""
    raise argument_error("path", expected, f"{path}, which begins {head[:40]!r}", remedy)


def _is_text(lines: list[bytes], dim: int) -> bool:
    """Return whether decimals follow the first word below a header, and not four bytes a number."""
    if not b"".join(lines).strip() or (len(lines) > 1 and _row(lines[0], dim) is not None):
        return True
    _, *fields = lines[0].split() or [b""]
    decimals = lines[0].partition(b" ")[2]
    # Or a broken row. Bytes of float32 numbers may be a letter and a newline by chance, hardly two words.
    if len(fields) < min(dim, 2) or not all(32 <= byte < 127 or byte in b"\t\r" for byte in decimals):
        return False
    return any(_numbers([_DECIMAL_COMMA.sub(b".", field)]) is not None for field in fields)


def _numbers(fields: list[bytes]) -> Host | None:
    """Return decimals as numbers; None if there is anything else among them, or nothing."""
    try:
        # Python's own numbers may have underscores.
        return np.array(fields, np.float32) if fields and b"_" not in b"".join(fields) else None
    except ValueError:
        return None


def _row(line: bytes, dim: int) -> tuple[bytes, Host] | None:
    """Return word and vector of a line; None if it does not end in `dim` numbers after a word.

    A word ends at the first tab, or else before the last `dim` fields. With spaces in it, its last part may
    then be no number itself: the line may as well be one of too many numbers.
    """
    word, tab, decimals = line.partition(b"\t")
    fields = decimals.split() if tab else []
    if len(fields) != dim:
        word, *fields = line.rstrip().rsplit(None, dim)
        if len(fields) == dim - 1 and line[:1].isspace():
            word, fields = b"", [word, *fields]
        parts = word.split()
        if len(fields) != dim or (len(parts) > 1 and _numbers(parts[-1:]) is not None):
            return None
    row = _numbers(fields)
    return None if row is None else (word, row)


def _header(data: Ahead, path: str) -> tuple[int, int]:
    line = data.line(1000)
    fields = line.split()
    if len(fields) != 2 or not all(field.isdigit() and int(field) for field in fields):
        raise _broken(path, 1, "two numbers, of words and of dimensions", line)
    if int(fields[1]) > _LARGEST_DIMENSION:
        raise _broken(path, 1, f"the number of words and a dimension of at most {_LARGEST_DIMENSION}", line)
    return int(fields[0]), int(fields[1])


def _broken(path: str, number: int, expected: str, line: bytes, remedy: str = "") -> ValueError:
    shown = repr(line if len(line) <= 60 else line[:60] + b"...")
    expected = f"a file of which line {number} is {expected}"
    return argument_error("path", expected, f"{shown} in {path}", remedy)


def _broken_row(path: str, number: int, dim: int, line: bytes) -> ValueError:
    """Return the error for a line of text that is no word with its vector."""
    numbers, points = _numbers(line.split()[1:]), _DECIMAL_COMMA.sub(b".", line)
    remedy = "" if numbers is None else f"It has {len(numbers)}."
    if points != line and _row(points, max(1, _trailing_numbers(points.split()))) is not None:
        remedy = "Write decimal points, not commas."
    return _broken(path, number, f"a word and {dim or 'its'} numbers", line, remedy)


def _read_binary(source: Source, data: Ahead, limit: int | None) -> Rows:
    total, dim = _header(data, source.name)
    return Rows(binary_rows(data, source.name, total, dim), dim, "word", SPACES)


def _read_text(source: Source, data: Ahead, limit: int | None) -> Rows:
    total, dim = _header(data, source.name)
    return Rows(_text_rows(data, source.name, dim, total), dim, "line")


def _read_glove(source: Source, data: Ahead, limit: int | None) -> Rows:
    dim = _dimension(data, source.name)
    return Rows(_text_rows(data, source.name, dim), dim, "line")


def _dimension(data: Ahead, path: str) -> int:
    """Return the dimension of a text without a header: that of its first word without spaces."""
    told: list[int] = []
    for line in data.next_lines(_FIRST_LINES):
        word, tab, rest = line.partition(b"\t")
        fields = [word, *rest.split()] if tab else line.split()
        numbers = _trailing_numbers(fields)
        if fields and numbers >= len(fields) - 1 > 0:
            return len(fields) - 1
        told += [numbers] if numbers else []
    if not told:
        raise _broken_row(path, 1, 0, data.line(1000))
    return told[0]


def _trailing_numbers(fields: list[bytes]) -> int:
    """Return how many of the last fields are numbers."""
    words = [place for place, field in enumerate(fields, 1) if _numbers([field]) is None]
    return len(fields) - (words[-1] if words else 0)


def _text_rows(
    data: Ahead, path: str, dim: int, total: int | None = None
) -> Iterator[tuple[int, bytes, Host]]:
    """Yield the rows below a header that tells how many they are, or of a file without one."""
    found = 0
    for number, line in enumerate(data.lines(), 1 if total is None else 2):
        word, *fields = line.split() or (b"",)
        row: Host | None = None
        if len(fields) == dim and line.startswith(word) and line.rfind(b"_") < len(word):
            # Far faster than `_row`, which all others take.
            try:
                row = np.array(fields, np.float32)
            except ValueError:
                row = None
        elif (other := _row(line, dim)) is not None:
            word, row = other
        if row is not None:
            found += 1
            yield number, word, row
        elif word:
            raise _broken_row(path, number, dim, line)
    if total is not None and found != total:
        expected = f"a file with the {total} words that its first line tells"
        raise argument_error("path", expected, f"{found} in {path}")


def _read_safetensors(source: Source, data: Ahead, limit: int | None) -> Rows:
    vectors, count, packed, sealed = read_tensors(source, data, limit)
    words = _words(source.beside("vocab.txt")) if packed is None else packed.split(b"\n")
    if len(words) != count:
        raise _unpaired(source.name, len(words), count)
    rows = _paired(source.name, words[:limit], list(vectors), vectors.shape[1], "word")
    return rows._replace(sealed=sealed)


def _words(source: Source, limit: int | None = None) -> list[bytes]:
    """Return the lines of a file of words beside one of vectors."""
    if not source.exists:
        raise missing("file of the words of the vectors", source.name)
    with source.open() as stream:
        lines = [line.removesuffix(b"\r") for line in islice(unmarked(Ahead(stream)).lines(), limit)]
    return lines


def unmarked(data: Ahead) -> Ahead:
    """Return a stream behind the byte order mark that it may begin with."""
    if data.head(len(_MARK)) == _MARK:
        data.at += len(_MARK)
    return data


def _unpaired(path: str, words: int, vectors: int) -> ValueError:
    return argument_error("path", "of as many words as vectors", f"{words} and {vectors} in {path}")


def _paired(path: str, words: list[bytes], rows: Sequence[Host], dim: int, unit: str) -> Rows:
    if len(words) != len(rows):
        raise _unpaired(path, len(words), len(rows))
    return Rows(zip(range(1, len(rows) + 1), words, rows, strict=True), dim, unit)


def _read_tensorboard(source: Source, data: Ahead, limit: int | None) -> Rows:
    # A line more: the first may be names of columns.
    lines = _words(source.beside("metadata.tsv"), limit and limit + 1)
    table = [line.split(b"\t") for line in lines]
    column = 0
    if table and len(table[0]) > 1:
        names = [name.strip().lower() for name in table.pop(0)]
        column = next((names.index(name) for name in (b"word", b"label") if name in names), 0)
    words = [b"".join(line[column : column + 1]) for line in table[:limit]]
    rows: list[Host] = []
    for number, line in enumerate(islice(data.lines(), limit), 1):
        row = _numbers(line.split())
        if row is None or len(row) != len(rows[0] if rows else row):
            raise _broken(source.name, number, "numbers, as many as in the first", line)
        rows.append(row)
    return _paired(source.name, words, rows, len(rows[0]) if rows else 0, "line")


READERS: dict[str, Callable[[Source, Ahead, int | None], Rows]] = {
    "word2vec-text": _read_text,
    "word2vec-binary": _read_binary,
    "glove": _read_glove,
    "safetensors": _read_safetensors,
    "tensorboard": _read_tensorboard,
}
