"""Guesses from the beginnings of files: how text splits into documents, and which letters it has."""

import io
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from w2vflow.corpus.counting.tokenizers import Tokenizer, tokenizer
from w2vflow.corpus.reading.encodings import Utf8Stream, check_encoding
from w2vflow.corpus.reading.facts import FileFacts
from w2vflow.corpus.reading.files import first_documents, is_parquet, reader_of
from w2vflow.corpus.reading.sources import text_sources
from w2vflow.corpus.reading.tables import read_dataset, read_parquet
from w2vflow.corpus.segmenters import SEGMENTERS, is_installed, unspaced_script
from w2vflow.support.arguments import checked
from w2vflow.support.sources import PathLike, Source

__all__ = ["document_reader", "suggested", "text_tokens"]

# Files that are looked into, bytes and rows of each, and the longest line that editors and printers wrap at.
_FILES, _HEAD, _ROWS, _WRAPPED = 20, 2**16, 200, 100
_WORD, _APOSTROPHE = re.compile(r"[^\W\d_]+"), re.compile(r"[a-z]['\u2018\u2019][a-z]")
# Of English more than a fifth of all words are among these; of other languages hardly any.
# fmt: off
_ENGLISH = frozenset((
    "the", "of", "and", "to", "that", "it", "for", "was", "with", "he", "she", "you", "his", "by", "from",
    "are", "this", "not", "which", "have",
))
# fmt: on
_ENGLISH_SHARE = 0.12


@checked
def suggested(
    paths: Iterable[PathLike],
    reader: str,
    tokens: str | Tokenizer,
    *,
    column: str | None = None,
    encoding: str = "auto",
) -> tuple[str, Any]:
    """Return reader and tokens of `count`: in place of `"auto"`, those that the text at `paths` suggests."""
    given, encoding = list(paths), check_encoding(encoding)
    if "auto" not in (reader, tokens):
        return reader, tokens
    # Looked into once for both: they may be on another machine.
    heads = list(_heads(given, reader))
    if tokens == "auto":
        tokens = _tokens_of(heads, given, reader, column, encoding)
    return _reader_of(heads, encoding) if reader == "auto" else reader, tokens


@checked
def document_reader(paths: Iterable[PathLike], *, encoding: str = "auto") -> str:
    """Return how plain text splits into documents: `paragraphs` if its lines are wrapped, else `auto`: lines.

    A book has lines as long as a page is wide, and a window of 16 words should not end with them.
    """
    return _reader_of(_heads(paths, "auto"), check_encoding(encoding))


def _reader_of(heads: Iterable[tuple[Source, bytes]], encoding: str) -> str:
    texts = []
    for source, head in heads:
        try:
            text = Utf8Stream(io.BytesIO(head), source.name, FileFacts(), encoding)
            if reader_of(text, source.name, len(head) == _HEAD) != "lines":
                return "auto"
            texts.append(text.head(_HEAD).decode("utf-8", "ignore"))
        except ValueError:  # which says more when the text is read
            return "auto"
    texts = [text for text in texts if text.strip()]
    return "paragraphs" if texts and all(map(_is_wrapped, texts)) else "auto"


@checked
def text_tokens(
    paths: Iterable[PathLike], reader: str = "auto", *, column: str | None = None, encoding: str = "auto"
) -> str:
    """Return how text is cut into words: `latin`, or `unicode` if it is written with more than a to z.

    A text is, if any word has such a letter, or an apostrophe within; of words that begin with a capital and
    may be names, one in fifty. English takes some words over with their accents, and is cut at apostrophes:
    there, `unicode` needs ten different ones, and one in 25 of all different words. Of Chinese, Japanese and
    Thai it is the rule of that name if its segmenter is installed, unless there are spaces between words.

    Args:
        paths, reader, column, encoding: as `read_blocks` takes them.
    """
    given = list(paths)
    return _tokens_of(_heads(given, reader), given, reader, column, check_encoding(encoding))


def _tokens_of(
    heads: Iterable[tuple[Source, bytes]],
    given: list[PathLike],
    reader: str,
    column: str | None,
    encoding: str,
) -> str:
    texts = [
        "\n".join(islice(read_dataset(os.fspath(name), column), _ROWS)) for name in _named(given, reader)
    ]
    for source, head in heads:
        if head:
            texts.append(first_documents(head, source.name, reader, column, encoding))
        else:
            stream = None if source.is_file else source.open_seekable()
            texts.append("\n".join(islice(read_parquet(source.name, column, None, stream), _ROWS)))
    if not _has_other_letters(texts):
        return "latin"
    cut = tokenizer("unicode")
    script = unspaced_script(list({word for text in texts for word in cut(text)}))
    return script if script in SEGMENTERS and is_installed(script) else "unicode"


def _named(paths: list[PathLike], reader: str) -> list[PathLike]:
    """Return the datasets that are given by name."""
    return [path for path in paths if not Path(path).is_file()] if reader == "dataset" else []


def _heads(paths: Iterable[PathLike], reader: str) -> Iterator[tuple[Source, bytes]]:
    """Yield the first texts with their beginnings, which is nothing for Parquet; no empty ones."""
    given = list(paths)
    named = _named(given, reader)
    try:
        sources = text_sources([path for path in given if path not in named])[:_FILES]
    except FileNotFoundError:  # which is said when the text is read
        return
    for source in sources:
        head = source.head(_HEAD)
        if is_parquet(source, reader, head):
            yield source, b""
        elif head.strip():
            yield source, head


def _has_other_letters(texts: Iterable[str]) -> bool:
    words: Counter[str] = Counter()
    apostrophes = False
    for text in texts:
        words.update(_WORD.findall(unicodedata.normalize("NFC", text)))
        apostrophes = apostrophes or _APOSTROPHE.search(text) is not None
    total = sum(words.values())
    other = {word: times for word, times in words.items() if not word.isascii()}
    small = {word: times for word, times in other.items() if not word[0].isupper() or word.isupper()}
    english = sum(times for word, times in words.items() if word.lower() in _ENGLISH)
    if english > _ENGLISH_SHARE * total:
        return len(small) > max(9, len(words) / 25)
    return apostrophes or bool(small) or sum(other.values()) > total / 50


def _is_wrapped(text: str) -> bool:
    lines = text.split("\n")
    full = [line for line in lines if line.strip()]
    # Of paragraphs some have more than one line, and a page of them has several.
    breaks = sum(not line.strip() for line in lines[1:-1])
    if full[0].startswith("<") or not 0 < breaks < len(full):
        return False
    return sum(len(line) <= _WRAPPED for line in full) >= 0.9 * len(full)
