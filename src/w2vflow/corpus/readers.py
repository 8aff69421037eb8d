"""Files of text, compressed or not, as a stream of documents."""

import bz2
import gzip
import lzma
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

from w2vflow.checks import argument_error

__all__ = ["READERS", "read_documents"]

_OPENERS: dict[str, Callable[..., TextIO]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def read_documents(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], reader: str = "auto"
) -> Iterator[str]:
    """Return an iterator over the documents of one or more text files, in order.

    Files ending in `.gz`, `.bz2` or `.xz` are unpacked as they are read. Text is UTF-8; bytes that
    are not become the replacement character.

    Args:
        paths: one path or several.
        reader: `"lines"`: one document a line; `"wikiextractor"`: documents between
            `<doc ...>` and `</doc>` lines, title line included; `"auto"`: the second where the
            file starts with `<doc `, else the first.

    Raises:
        ValueError: an unknown reader, or an archive that is cut short or damaged.
        FileNotFoundError: a path that does not exist.
    """
    if reader != "auto" and reader not in READERS:
        raise argument_error("reader", f"'auto' or one of {sorted(READERS)}", repr(reader))
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    for path in map(Path, paths):
        if not path.is_file():
            raise FileNotFoundError(f"There is no text file {path}.")
        opener = _OPENERS.get(path.suffix.lower(), open)
        try:
            with opener(path, mode="rt", encoding="utf-8", errors="replace") as lines:
                yield from _documents(lines, reader)
        except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error) as error:
            raise argument_error(
                "paths", "whole archives", f"{path}, cut short or damaged ({error})", "Fetch it again."
            ) from error


def _documents(lines: Iterator[str], reader: str) -> Iterator[str]:
    first = next(lines, "")
    if reader == "auto":
        reader = "wikiextractor" if first.startswith("<doc ") else "lines"
    yield from READERS[reader](first, lines)


def _one_per_line(first: str, rest: Iterable[str]) -> Iterator[str]:
    if first:
        yield first
    yield from rest


def _wikiextractor(first: str, rest: Iterable[str]) -> Iterator[str]:
    body: list[str] | None = None
    for line in _one_per_line(first, rest):
        if line.startswith("<doc "):
            body = []
        elif line.startswith("</doc>"):
            if body is not None:
                yield "".join(body)
            body = None
        elif body is not None:
            body.append(line)
    if body is not None:
        raise argument_error(
            "paths", "WikiExtractor output that ends with `</doc>`", "a last document that does not end"
        )


READERS: dict[str, Callable[[str, Iterable[str]], Iterator[str]]] = {
    "lines": _one_per_line,
    "wikiextractor": _wikiextractor,
}
