"""Text files of many formats as blocks of documents."""

import io
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from w2vflow.corpus.reading.blocks import BLOCK_BYTES, Block, gathered, packed
from w2vflow.corpus.reading.encodings import Utf8Stream, check_encoding
from w2vflow.corpus.reading.facts import FileFacts
from w2vflow.corpus.reading.kinds import check_is_text, markup_kind
from w2vflow.corpus.reading.mediawiki import read_dump
from w2vflow.corpus.reading.sources import text_sources
from w2vflow.corpus.reading.structured import ending, read_json, read_table, table_kind
from w2vflow.corpus.reading.tables import read_dataset, read_parquet
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.sources import PathLike, Source
from w2vflow.support.streams import Rejoined

__all__ = ["READERS", "first_documents", "is_parquet", "read_blocks", "reader_of"]

# fmt: off
READERS = (
    "auto", "lines", "paragraphs", "wikiextractor", "mediawiki", "jsonl", "csv", "tsv", "parquet", "dataset",
)
# fmt: on
_HEAD = 2**16
# Text of any language has a space or a line break in so many bytes.
_LONGEST_WORD, _SPACE = 2**24, re.compile(rb"\s")
_BLANK_LINES = re.compile(rb"\n[ \t\r]*\n\s*")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
_DECLARATION = re.compile(rb"\s*(?:<\?xml[^>]*>)?\s*")


@checked
def read_blocks(
    paths: PathLike | Iterable[PathLike],
    reader: str = "auto",
    *,
    column: str | None = None,
    encoding: str = "auto",
    bad_utf8: str = "replace",
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[Block]:
    """Yield blocks of documents, in the order of the paths.

    Files ending in `.gz`, `.bz2`, `.xz`, `.zst` or `.zip` (of one file) are unpacked as they are read.

    Args:
        paths: files, folders (all files below, by name; see `expand_paths`), glob patterns, `-` for standard
            input, pipes, and addresses such as `https://` and `s3://`.
        reader: `"lines"`: one document a line; `"paragraphs"`: documents between blank lines;
            `"wikiextractor"`: documents between `<doc ...>` and `</doc>`, title included;
            `"mediawiki"`: a `pages-articles` dump; `"jsonl"`: JSON objects, one a line or in an array;
            `"csv"` (delimited by commas, semicolons, tabs or bars), `"tsv"` and `"parquet"`: one document a
            row; `"dataset"`: the path or name of a Hugging Face dataset; `"auto"`: by ending and first bytes,
            plain text being one document a line.
        column: of tables, JSON and datasets; by default `"text"`, or the only one of text.
        encoding: `"auto"`: UTF-8, or UTF-16 or UTF-32 if marks or zero bytes show it; or a name that Python
            has for it, such as `"cp1252"`.
        bad_utf8: `"replace"` bytes that the encoding does not have by U+FFFD and count them, or `"error"`.
        block_bytes: about how much text a block has; a longer document is a block by itself.

    Raises:
        ValueError: an unknown reader or encoding, a file that is not text, an archive that is cut short, a
            text that loses more than a byte of a thousand unless its encoding is named, or any byte where
            that is an error (the message names file and byte).
        FileNotFoundError: a path that does not exist.
        ImportError: a format or an address that needs a library that is not installed.
    """
    if reader not in READERS:
        raise argument_error("reader", f"one of {sorted(READERS)}", repr(reader))
    if bad_utf8 not in ("replace", "error"):
        raise argument_error("bad_utf8", "'replace' or 'error'", repr(bad_utf8))
    encoding = check_encoding(encoding)
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    settings = (reader, column, encoding, bad_utf8, block_bytes)
    yield from gathered((block for path in given for block in _blocks(path, *settings)), block_bytes)


def _blocks(
    path: PathLike, reader: str, column: str | None, encoding: str, bad_utf8: str, block_bytes: int
) -> Iterator[Block]:
    if reader == "dataset" and not Path(path).is_file():
        facts = FileFacts(reader)
        yield from packed(read_dataset(os.fspath(path), column, facts), block_bytes, facts)
        return
    for source in text_sources(path):
        if is_parquet(source, reader):
            facts, stream = FileFacts("parquet"), None if source.is_file else source.open_seekable()
            documents = read_parquet(source.name, column, facts, stream)
            yield from packed(documents, block_bytes, facts)
            continue
        with source.open() as stream:
            # A file of a dataset is what it looks like.
            chosen = "auto" if reader == "dataset" else reader
            yield from _text_blocks(stream, source.name, chosen, column, encoding, bad_utf8, block_bytes)


def is_parquet(source: Source, reader: str, head: bytes | None = None) -> bool:
    """Return whether a text is a file of Parquet, by its first bytes; `ValueError` where none can be read."""
    if reader not in ("auto", "dataset", "parquet"):
        return False
    head = source.head(64) if head is None else head[:64]
    magic = head.startswith(b"PAR1") and any(byte < 9 for byte in head)
    if source.is_stream and (magic or reader == "parquet"):
        raise argument_error("paths", "files, if they are Parquet", source.name, "Save it to a file first.")
    if magic and source.is_packed:
        raise argument_error("paths", "Parquet files as they are", source.name, "Unpack it first.")
    return magic or reader == "parquet" or ending(source.name) == ".parquet"


def reader_of(text: Utf8Stream, name: str, cut: bool = False) -> str:
    """Return the reader for a text, by its ending and beginning; the beginning stays in the stream.

    Args:
        text: the text, or its first bytes.
        name: of the file.
        cut: there is more of it than in the stream.

    Raises:
        ValueError: markup or annotation that is not to be counted as words, plainly so.
    """
    head = text.head(_HEAD)
    beginning = head.decode("utf-8", "ignore")
    whole = len(head) < _HEAD and not cut
    return markup_kind(beginning, name) or table_kind(beginning, whole, name) or "lines"


def first_documents(head: bytes, name: str, reader: str, column: str | None, encoding: str) -> str:
    """Return the documents that are in the first bytes of a text, or these if none is whole."""
    found: list[str] = []
    facts = FileFacts()
    try:
        text = Utf8Stream(io.BytesIO(head), name, facts, encoding)
        looked_at = reader in ("auto", "dataset")
        facts.reader = reader_of(text, name, len(head) == _HEAD) if looked_at else reader
        if documents := _documents(text, name, column, facts):
            found.extend(documents)
    except (ValueError, ImportError):
        pass  # a beginning ends somewhere within
    whole = head.decode(text.encoding, "ignore")
    if facts.reader == "jsonl":
        whole = _ESCAPED.sub(lambda letter: chr(int(letter[1], 16)), whole)
    return "\n".join(found) or whole


def _text_blocks(
    stream: Any, name: str, reader: str, column: str | None, encoding: str, bad_utf8: str, block_bytes: int
) -> Iterator[Block]:
    head = stream.read(_HEAD)
    check_is_text(head, name)
    facts = FileFacts(reader)
    text = Utf8Stream(Rejoined(head, stream), name, facts, encoding, bad_utf8)
    if reader == "auto":
        facts.reader = reader_of(text, name)
    if column is not None and facts.reader not in ("jsonl", "csv", "tsv"):
        got = f"{column!r} for {name}, which is read as {facts.reader}"
        remedy = 'If it is a table, pass its `reader`, such as "csv".'
        raise argument_error("column", "left out, if a text has no columns", got, remedy)
    documents = _documents(text, name, column, facts)
    if documents is not None:
        yield from packed(documents, block_bytes, facts)
        return
    mark, spans = _MARKS[facts.reader], _SPANS[facts.reader]
    rest = b""
    while True:
        more = text.read(max(block_bytes - len(rest), block_bytes // 2, 1))
        joined = rest + more
        last = joined.rfind(mark)
        if last < 0:
            _check_words(joined, name)
        end = len(joined) if not more else last + len(mark) if last >= 0 else 0
        if end:
            whole = joined[:end]
            yield Block(whole, *spans(whole, name), (facts,))
        if not more:
            return
        rest = joined[end:]


def _check_words(text: bytes, name: str) -> None:
    """Raise `ValueError` where the end of what is held of a text is one word beyond all words."""
    if len(text) > 2 * _LONGEST_WORD and not _SPACE.search(text, len(text) - _LONGEST_WORD):
        got = f"{name} with {_LONGEST_WORD:,} bytes in a row without a space or a line break"
        raise argument_error("paths", "text made of words", got)


def _documents(text: Utf8Stream, name: str, column: str | None, facts: FileFacts) -> Iterator[str] | None:
    """Return the documents of a text in which they are not simply parts of it, as in plain text they are."""
    if facts.reader == "mediawiki":
        # The encoding that it declares is no longer its own.
        if declared := _DECLARATION.match(text.head(_HEAD)):
            text.skip(declared.end())
        alone = text.head(_HEAD).startswith(b"<page")
        # Pages may have no dump around them.
        around = (b"<mediawiki>", b"</mediawiki>") if alone else (b"", b"")
        return read_dump(Rejoined(around[0], text, around[1]), name, facts)
    if facts.reader == "jsonl":
        return read_json(text, name, column, facts)
    if facts.reader in ("csv", "tsv"):
        return read_table(text, name, facts.reader, column, facts)
    return None


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
