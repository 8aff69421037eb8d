"""Text files of many formats as blocks of documents."""

import glob
import io
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from w2vflow.corpus.reading.mediawiki import read_dump
from w2vflow.corpus.reading.tables import read_dataset, read_parquet
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.packed_files import damages, open_unpacked

__all__ = ["READERS", "Block", "PathLike", "expand_paths", "first_bytes", "read_blocks"]

PathLike = str | os.PathLike[str]
READERS = ("auto", "lines", "paragraphs", "wikiextractor", "mediawiki", "parquet", "dataset")
BLOCK_BYTES = 2**25

_BLANK_LINES = re.compile(rb"\n[ \t\r]*\n\s*")


class Block(NamedTuple):
    """Whole documents that stand together in memory.

    Attributes:
        text: UTF-8.
        starts, ends: of the documents in it, int64.
        replaced: how many runs of invalid bytes were replaced.
    """

    text: bytes
    starts: np.ndarray
    ends: np.ndarray
    replaced: int = 0


@checked
def read_blocks(
    paths: PathLike | Iterable[PathLike],
    reader: str = "auto",
    *,
    column: str | None = None,
    bad_utf8: str = "replace",
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[Block]:
    """Yield blocks of documents, in the order of the paths.

    Files ending in `.gz`, `.bz2`, `.xz`, `.zst` or `.zip` (of one file) are unpacked as they are read.

    Args:
        paths: files, folders (all files below, by name), glob patterns, `-` for standard input.
        reader: `"lines"`: one document a line; `"paragraphs"`: documents between blank lines;
            `"wikiextractor"`: documents between `<doc ...>` and `</doc>`, title included;
            `"mediawiki"`: a `pages-articles` dump; `"parquet"`: one document a row; `"dataset"`:
            the path or name of a Hugging Face dataset; `"auto"`: by ending and first bytes, plain
            text being one document a line.
        column: of Parquet files and datasets; by default `"text"`, or the only one of text.
        bad_utf8: `"replace"` invalid bytes by U+FFFD and count them, or `"error"`.
        block_bytes: about how much text a block has; a longer document is a block by itself.

    Raises:
        ValueError: an unknown reader, a file that is not text, an archive that is cut short, or
            invalid UTF-8 where that is an error (the message names file and byte).
        FileNotFoundError: a path that does not exist.
    """
    if reader not in READERS:
        raise argument_error("reader", f"one of {sorted(READERS)}", repr(reader))
    if bad_utf8 not in ("replace", "error"):
        raise argument_error("bad_utf8", "'replace' or 'error'", repr(bad_utf8))
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if reader == "dataset":
        for name in given:
            yield from _pack(read_dataset(str(name), column), block_bytes)
        return
    for path in expand_paths(given):
        if reader == "parquet" or (reader == "auto" and path.endswith(".parquet")):
            yield from _pack(read_parquet(Path(path), column), block_bytes)
            continue
        try:
            with open_unpacked(path, "paths") as stream:
                yield from _text_blocks(stream, path, reader, bad_utf8, block_bytes)
        except damages() as error:
            raise argument_error(
                "paths", "whole archives", f"{path}, cut short or damaged ({error})", "Fetch it again."
            ) from error


@checked
def expand_paths(paths: Iterable[PathLike]) -> list[str]:
    """Return files for folders and glob patterns, sorted within each; `-` stays.

    Raises:
        FileNotFoundError: a path or pattern that stands for no file.
    """
    found: list[str] = []
    for given in map(str, paths):
        if given == "-" or Path(given).is_file():
            found.append(given)
            continue
        if Path(given).is_dir():
            inside = sorted(str(p) for p in Path(given).rglob("*") if p.is_file())
        else:
            inside = sorted(p for p in glob.glob(given, recursive=True) if Path(p).is_file())
        if not inside:
            raise FileNotFoundError(f"There is no text file {given}.")
        found += inside
    return found


def first_bytes(path: PathLike, size: int) -> bytes:
    """Return the first bytes of a file, unpacked; none of an archive that is damaged."""
    try:
        with open_unpacked(path) as stream:
            return stream.read(size)
    except (ValueError, OSError):
        return b""
    except damages():
        return b""


def _text_blocks(
    stream: io.BufferedIOBase, name: str, reader: str, bad_utf8: str, block_bytes: int
) -> Iterator[Block]:
    head = stream.read(2**16)
    if b"\0" in head:
        got = f"{name}, which has zero bytes in it"
        raise argument_error("paths", "text", got, "Unpack or convert it first.")
    if reader == "auto":
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        dump = start.startswith((b"<mediawiki", b"<?xml"))
        reader = "mediawiki" if dump else "wikiextractor" if start.startswith(b"<doc ") else "lines"
    if reader == "mediawiki":
        yield from _pack(read_dump(_Rejoined(head, stream), name), block_bytes)
        return
    mark, spans = _MARKS[reader], _SPANS[reader]
    offset, rest = 0, head
    while True:
        more = stream.read(max(block_bytes - len(rest), block_bytes // 2))
        text = rest + more
        last = text.rfind(mark)
        end = len(text) if not more else last + len(mark) if last >= 0 else 0
        if end or not more:
            whole, replaced = _valid(text[:end], name, offset, bad_utf8)
            if whole:
                yield Block(whole, *spans(whole, name), replaced)
        if not more:
            return
        offset, rest = offset + end, text[end:]


class _Rejoined:
    """A stream with the bytes that were read ahead put back."""

    def __init__(self, head: bytes, stream: io.BufferedIOBase) -> None:
        self._head, self._stream = head, stream

    def read(self, size: int = 2**16) -> bytes:
        given, self._head = self._head[:size], self._head[size:]
        return given or self._stream.read(size)


def _valid(text: bytes, name: str, offset: int, bad_utf8: str) -> tuple[bytes, int]:
    """Return the text as valid UTF-8, and how many replacement characters that took."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        if bad_utf8 == "error":
            got = f"{name} with the byte 0x{text[error.start]:02x} at {offset + error.start}"
            remedy = 'Convert the file, or pass `bad_utf8="replace"`.'
            raise argument_error("paths", "UTF-8", got, remedy) from error
        mended = text.decode(errors="replace").encode()
        return mended, mended.count(b"\xef\xbf\xbd") - text.count(b"\xef\xbf\xbd")
    return text, 0


def _lines(text: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == 10)
    if not text.endswith(b"\n"):
        ends = np.append(ends, len(text))
    starts = np.concatenate([[0], ends[:-1] + 1])
    return starts[ends > starts], ends[ends > starts]


def _paragraphs(text: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    breaks = [(m.start(), m.end()) for m in _BLANK_LINES.finditer(text)]
    starts = np.array([0, *(end for _, end in breaks)], np.int64)
    ends = np.array([*(start for start, _ in breaks), len(text)], np.int64)
    return starts[ends > starts], ends[ends > starts]


def _wiki_documents(text: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    if b"<doc " not in text:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    spans: list[tuple[int, int]] = []
    tag = -1 if text.startswith(b"<doc ") else text.find(b"\n<doc ")
    while tag >= 0 or not spans:
        start = text.find(b"\n", tag + 1) + 1
        end = text.find(b"\n</doc>", start - 1) + 1
        if not (start and end):
            expected = "WikiExtractor output that ends with `</doc>`"
            got = f"{name}, with a last document that does not end"
            raise argument_error("paths", expected, got, "Extract it again.")
        spans.append((start, end))
        tag = text.find(b"\n<doc ", end)
    starts, ends = np.array(spans, np.int64).T.copy()
    return starts, ends


# Documents end there: a text may be cut after the last of these in it.
_MARKS = {"lines": b"\n", "paragraphs": b"\n\n", "wikiextractor": b"\n</doc>\n"}
_SPANS = {"lines": _lines, "paragraphs": _paragraphs, "wikiextractor": _wiki_documents}


def _pack(documents: Iterable[str], block_bytes: int) -> Iterator[Block]:
    """Put documents together to blocks."""
    texts: list[bytes] = []
    size = 0
    for document in documents:
        # Lone surrogates, which some sources escape to, have no UTF-8.
        texts.append(document.encode(errors="replace"))
        size += len(texts[-1]) + 1
        if size >= block_bytes:
            yield _block_of(texts)
            texts, size = [], 0
    if texts:
        yield _block_of(texts)


def _block_of(texts: list[bytes]) -> Block:
    lengths = np.array([len(text) for text in texts], np.int64)
    ends = np.cumsum(lengths + 1) - 1
    return Block(b"\n".join(texts), ends - lengths, ends)
