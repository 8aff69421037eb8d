"""Readers of word-vector files, chosen by content."""

import gzip
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np

from w2vflow.support.checks import argument_error

__all__ = ["READERS", "Source", "guess_format"]

Host = np.ndarray

# Bytes read at once.
_CHUNK = 2**22
# Beyond any embedding: a larger number in a header is no dimension.
_LARGEST_DIMENSION = 10**6


class Source(NamedTuple):
    """A file while it is read: rows of number, word and vector, their dimension, and the unit numbered."""

    rows: Iterator[tuple[int, bytes, Host]]
    dim: int
    unit: str


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path)) if compressed else path.open("rb")


def guess_format(path: Path) -> str:
    """Return the format of a file from its first bytes."""
    if path.is_dir():
        return "tensorboard"
    with _opened(path) as file:
        head = file.read(2**16)
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
    first, _, rest = head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    fields = first.split()
    if b"\t" in first and _numbers(first) is not None:
        return "tensorboard"
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        return "word2vec-text" if _is_text(rest, int(fields[1])) else "word2vec-binary"
    if len(fields) > 1 and _numbers(fields[-1]) is not None:
        return "glove"
    expected = f"a file in one of the formats {tuple(READERS)}"
    raise argument_error("path", expected, f"{path}, which begins {head[:40]!r}")


def _is_text(rest: bytes, dim: int) -> bool:
    """Return whether decimals follow the first word, and not four bytes a number."""
    if not rest.strip():
        return True
    numbers, newline, _ = rest.partition(b" ")[2][: 4 * dim].partition(b"\n")
    # Bytes of float32 numbers may be a letter and a newline by chance, but hardly two words and a newline.
    whole = not newline or len(numbers.split()) >= min(dim, 2)
    return whole and all(32 <= byte < 127 or byte in b"\t\r" for byte in numbers)


def _numbers(text: bytes) -> Host | None:
    """Return the decimals in a text; None where there is anything else in it."""
    try:
        return np.fromstring(text, np.float32, sep=" ")
    except (ValueError, DeprecationWarning):
        return None


def _header(path: Path) -> tuple[int, int]:
    with _opened(path) as file:
        line = file.readline(1000)
    fields = line.removeprefix(b"\xef\xbb\xbf").split()
    if len(fields) != 2 or not all(field.isdigit() and int(field) for field in fields):
        raise _broken(path, 1, "two numbers, of words and of dimensions", line)
    if int(fields[1]) > _LARGEST_DIMENSION:
        raise _broken(path, 1, f"the number of words and a dimension of at most {_LARGEST_DIMENSION}", line)
    return int(fields[0]), int(fields[1])


def _broken(path: Path, number: int, expected: str, line: bytes, remedy: str = "") -> ValueError:
    shown = repr(line if len(line) <= 60 else line[:60] + b"...")
    expected = f"a file of which line {number} is {expected}"
    return argument_error("path", expected, f"{shown} in {path}", remedy)


def _read_binary(path: Path) -> Source:
    total, dim = _header(path)
    return Source(_binary_rows(path, total, dim), dim, "word")


def _binary_rows(path: Path, total: int, dim: int) -> Iterator[tuple[int, bytes, Host]]:
    expected = f"a file with the {total} words of dimension {dim} that its first line tells"
    size, buffer, at = 4 * dim, b"", 0
    with _opened(path) as file:
        file.readline()
        for number in range(1, total + 1):
            space = buffer.find(b" ", at)
            if space < 0 or space + 1 + size > len(buffer):
                buffer, at = buffer[at:] + file.read(_CHUNK + size), 0
                space = buffer.find(b" ")
                if space < 0 or space + 1 + size > len(buffer):
                    end = f"{path}, which ends after {number - 1} of them"
                    raise argument_error("path", expected, end, "Copy it again.")
            # The newline that word2vec.c writes after a vector, and gensim does not.
            yield number, buffer[at:space].lstrip(b"\n"), np.frombuffer(buffer, "<f4", dim, space + 1)
            at = space + 1 + size
        if (buffer[at:] + file.read(2)).strip(b"\n"):
            raise argument_error("path", expected, f"{path}, which goes on after them")


def _read_text(path: Path) -> Source:
    total, dim = _header(path)
    return Source(_text_rows(path, dim, total), dim, "line")


def _read_glove(path: Path) -> Source:
    with _opened(path) as file:
        dim = len(file.readline().split()) - 1
    return Source(_text_rows(path, dim), dim, "line")


def _text_rows(path: Path, dim: int, total: int | None = None) -> Iterator[tuple[int, bytes, Host]]:
    """Yield the rows below a header that tells how many they are, or of a file without one."""
    header, found = total is not None, 0
    with _opened(path) as file:
        if header:
            file.readline()
        for number, line in enumerate(file, 1 + header):
            text = line.rstrip()
            word, _, decimals = text.partition(b" ")
            row = _numbers(decimals)
            if row is None and not header:
                # A word with spaces, unless its last part is a number itself.
                word, *rest = text.rsplit(b" ", dim)
                row = _numbers(b" ".join(rest)) if _numbers(word.rpartition(b" ")[2]) is None else None
            if row is not None and len(row) == dim:
                found += 1
                yield number, word, row
            elif text:
                others = "" if row is None else f"It has {len(row)}."
                raise _broken(path, number, f"a word without spaces and {dim} numbers", line, others)
    if header and found != total:
        expected = f"a file with the {total} words that its first line tells"
        raise argument_error("path", expected, f"{found} in {path}")


def _read_safetensors(path: Path) -> Source:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
            matrices = [name for name, shape in shapes.items() if len(shape) == 2]
            chosen = "vectors" if "vectors" in matrices else matrices[0] if len(matrices) == 1 else None
            if chosen is None:
                raise argument_error(
                    "path", "a file with one matrix, or one named `vectors`", f"{shapes} in {path}"
                )
            vectors = file.get_tensor(chosen)
            packed = file.get_tensor("words").tobytes() if "words" in shapes else None
    except (SafetensorError, TypeError) as error:
        raise argument_error("path", "a safetensors file of float32", f"{path} ({error})") from error
    words = _lines(path.with_name("vocab.txt")) if packed is None else packed.split(b"\n")
    return _paired(path, words, list(vectors.astype(np.float32)), vectors.shape[1], "word")


def _lines(path: Path) -> list[bytes]:
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path} of the words of the vectors.")
    return [line.rstrip(b"\r") for line in path.read_bytes().removesuffix(b"\n").split(b"\n")]


def _paired(path: Path, words: list[bytes], rows: Sequence[Host], dim: int, unit: str) -> Source:
    if len(words) != len(rows):
        raise argument_error("path", "of as many words as vectors", f"{len(words)} and {len(rows)} in {path}")
    return Source(zip(range(1, len(rows) + 1), words, rows, strict=True), dim, unit)


def _read_tensorboard(path: Path) -> Source:
    tensors = path / "tensors.tsv" if path.is_dir() else path
    table = [line.split(b"\t") for line in _lines(tensors.with_name("metadata.tsv"))]
    column = 0
    if len(table[0]) > 1:
        names = [name.strip().lower() for name in table.pop(0)]
        column = next((names.index(name) for name in (b"word", b"label") if name in names), 0)
    rows: list[Host] = []
    for number, line in enumerate(_lines(tensors), 1):
        row = _numbers(line)
        if row is None or not len(row) or len(row) != len(rows[0] if rows else row):
            raise _broken(tensors, number, "numbers, as many as in the first", line)
        rows.append(row)
    return _paired(path, [b"".join(line[column : column + 1]) for line in table], rows, len(rows[0]), "line")


READERS: dict[str, Callable[[Path], Source]] = {
    "word2vec-text": _read_text,
    "word2vec-binary": _read_binary,
    "glove": _read_glove,
    "safetensors": _read_safetensors,
    "tensorboard": _read_tensorboard,
}
