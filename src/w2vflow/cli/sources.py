"""Texts and counts named on the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal
from zipfile import is_zipfile

import w2vflow as wf
from w2vflow.cli.console import Console, on_terminal
from w2vflow.support.checks import argument_error, check_vocab_size

__all__ = ["TextOptions", "count_text", "found_texts", "load_counts", "size_of_counts"]


# fmt: off
Reader = Literal[
    "auto", "lines", "paragraphs", "wikiextractor", "mediawiki", "jsonl", "csv", "tsv", "parquet", "dataset"
]
# fmt: on


@dataclass(frozen=True)
class TextOptions:
    """How a text is read, and pairs of its words are weighted."""

    tokens: str = "auto"
    """auto (latin; unicode if the text has letters beyond), latin (a-z of the lower-cased text), unicode
    (letters of any script), or a regular expression."""
    window: int = 16
    """Largest distance of a pair, in words."""
    weighting: Literal["linear", "harmonic", "flat"] = "linear"
    """Weight of a pair at distance r: window + 1 - r, 1/r or 1."""
    min_document_words: int = 0
    """Leave out documents with fewer words."""
    reader: Reader = "auto"
    """How files split into documents; auto looks into them: dumps, tables, JSON, and of plain text lines, or
    paragraphs of wrapped lines."""
    column: str | None = None
    """Of tables, JSON and datasets: text, or the only one of text, by default."""
    encoding: str = "auto"
    """Of text: auto (UTF-8, and UTF-16 or UTF-32 if they show), or a name such as cp1252."""


def found_texts(paths: Sequence[str], reader: str, *, fetching: bool) -> list[str]:
    """Return paths, with the file for every name of `w2vflow datasets`, fetched if it is not at hand.

    Raises:
        FileNotFoundError: neither a path nor a name.
        ValueError: a name whose text is not at hand, if nothing may be fetched.
    """
    names = {corpus.name for corpus in wf.corpus.known_corpora()}
    found = []
    for path in paths:
        if path in names and not Path(path).exists():
            if not fetching and wf.corpus.cached_path(path) is None:
                got = f"{path}, which would be fetched first"
                remedy = "`w2vflow datasets` says how large it is."
                raise argument_error("dry_run", "of text that is at hand", got, remedy)
            path = str(wf.corpus.fetch(path, progress=on_terminal()))
        # Names of Hugging Face datasets are no paths.
        elif reader != "dataset":
            try:
                wf.corpus.expand_paths([path])
            except FileNotFoundError as error:
                close = get_close_matches(path, names, n=1)
                meant = f"Did you mean {close[0]}?" if close else "`w2vflow datasets` lists names."
                raise FileNotFoundError(f"{error} {meant}") from error
        found.append(path)
    return found


def count_text(
    paths: Sequence[str],
    out: Path,
    console: Console,
    rule: "wf.corpus.CountingRule",
    reader: str,
    memory: str = "4GB",
    workers: int | None = None,
    **words: Any,
) -> None:
    """Count a text into a file, as `count_to_file`; say how it was read and cut, and its first words."""
    resources = wf.corpus.Resources(memory=memory, workers=workers)
    lonely = wf.corpus.count_to_file(
        paths, out, rule=rule, reader=reader, resources=resources, progress=on_terminal(), **words
    )
    console(wf.counts.CountFile(out).metadata["corpus_summary"])
    if lonely:
        shown = ", ".join(lonely[:5]) + (" ..." if lonely[5:] else "")
        console(f"left out, because they never stand beside another word: {len(lonely)} ({shown})")


def load_counts(statistics: str, vocab_size: int | None) -> "wf.CooccurrenceStatistics":
    """Return statistics by name or path, of so many most frequent words if a number is given."""
    _check_counted(statistics)
    stats = wf.load_statistics(statistics)
    return stats if vocab_size is None else stats.most_frequent(vocab_size)


def _check_counted(statistics: str) -> None:
    """Raise `ValueError` of a text, which is to be counted first."""
    path = Path(statistics)
    if path.is_dir() or (path.is_file() and path.suffix != ".npz" and not is_zipfile(path)):
        remedy = f"Count it first: `w2vflow count {statistics} --out {path.stem}.npz`."
        raise argument_error("statistics", "a file of counts", f"{statistics}, which is text", remedy)


def size_of_counts(statistics: str, vocab_size: int | None) -> tuple[int, int]:
    """Return how many words `load_counts` would return, and pairs of words in the file; reads no counts."""
    _check_counted(statistics)
    file = wf.corpus.open_statistics(statistics)
    if vocab_size is None:
        return len(file.words), file.pairs
    check_vocab_size(vocab_size, len(file.words))
    return vocab_size, file.pairs
