"""Guesses from the beginnings of files: how text splits into documents, and which letters it has."""

from collections.abc import Iterable
from typing import Any

from w2vflow.corpus.reading.files import PathLike, expand_paths, first_bytes
from w2vflow.support.arguments import checked

__all__ = ["document_reader", "suggested", "text_tokens"]

# Files that are looked into and bytes of each, the longest line that an editor or a printer wraps at, and the
# share of letters beyond a to z from which a text is no longer taken for one of these alone.
_FILES, _HEAD, _WRAPPED, _FOREIGN = 20, 2**16, 100, 0.02


@checked
def suggested(paths: Iterable[PathLike], reader: str, tokens: Any) -> tuple[str, Any]:
    """Return reader and tokens of `count`: in place of `"auto"`, those that the text at `paths` suggests."""
    given = list(paths)
    reader = document_reader(given) if reader == "auto" else reader
    if tokens == "auto":
        tokens = "latin" if reader == "dataset" else text_tokens(given)
    return reader, tokens


@checked
def document_reader(paths: Iterable[PathLike]) -> str:
    """Return how plain text splits into documents: `paragraphs` if its lines are wrapped, else `auto`: lines.

    A book has lines as long as a page is wide, and a window of 16 words should not end with them.
    """
    heads = _heads(paths)
    return "paragraphs" if heads and all(map(_is_wrapped, heads)) else "auto"


@checked
def text_tokens(paths: Iterable[PathLike]) -> str:
    """Return how text is cut into words: `latin`, or `unicode` where it has other letters than a to z."""
    letters = [letter for head in _heads(paths) for letter in head if letter.isalpha()]
    other = sum(not letter.isascii() for letter in letters)
    return "unicode" if other > _FOREIGN * len(letters) else "latin"


def _heads(paths: Iterable[PathLike]) -> list[str]:
    """Return the beginnings of the first files of plain text, none of which is empty."""
    given = list(paths)
    if any(path == "-" for path in given):
        return []
    try:
        files = expand_paths(given)[:_FILES]
    except FileNotFoundError:  # a name of a dataset
        return []
    texts = (
        first_bytes(file, _HEAD).decode("utf-8", "ignore") for file in files if not file.endswith(".parquet")
    )
    return [text for text in texts if text.strip()]


def _is_wrapped(text: str) -> bool:
    lines = text.split("\n")
    full = [line for line in lines if line.strip()]
    # Of paragraphs some have more than one line, and a page of them has several.
    breaks = sum(not line.strip() for line in lines[1:-1])
    if full[0].startswith("<") or not 0 < breaks < len(full):
        return False
    return sum(len(line) <= _WRAPPED for line in full) >= 0.9 * len(full)
