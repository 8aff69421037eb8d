"""What was found while texts were read, and one line that says it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from w2vflow.support.display import shown_words

__all__ = ["FileFacts", "ReadingFacts", "summary"]

_DOCUMENTS = {
    "lines": "one document a line",
    "paragraphs": "documents between blank lines",
    "wikiextractor": "WikiExtractor's articles",
    "mediawiki": "articles of a MediaWiki dump",
    "parquet": "rows of Parquet",
    "dataset": "rows of a dataset",
    "jsonl": "entries of JSON",
    "csv": "rows of CSV",
    "tsv": "rows of TSV",
}
_SHOWN = 6


@dataclass
class FileFacts:
    """What was found in one file, complete when it is read.

    Attributes:
        reader: how it splits into documents; one of `READERS`, never `"auto"`.
        encoding: of its bytes, empty for formats that settle it themselves.
        column: of a table.
        replaced: runs of bytes that the encoding does not have, each now U+FFFD.
        pages_skipped: pages of a dump that its parser cannot follow.
    """

    reader: str = "lines"
    encoding: str = ""
    column: str = ""
    replaced: int = 0
    pages_skipped: int = 0


class ReadingFacts:
    """What was found in all files; files come one after the other."""

    def __init__(self) -> None:
        self._last: FileFacts | None = None
        self._named: dict[str, set[str]] = {"reader": set(), "encoding": set(), "column": set()}
        self._replaced = self._skipped = 0

    def add(self, files: Iterable[FileFacts]) -> None:
        """Take in the facts of files, again and again while one is read."""
        for facts in files:
            if facts is not self._last:
                self._settle()
                self._last = facts

    def metadata(self) -> dict[str, Any]:
        """Return the facts by the names that metadata have."""
        self._settle()
        named = {f"corpus_{name}": ", ".join(sorted(found - {""})) for name, found in self._named.items()}
        found = {name: value for name, value in named.items() if value}
        skipped = {"corpus_pages_skipped": self._skipped} if self._skipped else {}
        return {**found, **skipped, "corpus_invalid_utf8_replaced": self._replaced}

    def _settle(self) -> None:
        if self._last is not None:
            for name, found in self._named.items():
                found.add(getattr(self._last, name))
            self._replaced += self._last.replaced
            self._skipped += self._last.pages_skipped
        self._last = None


def summary(facts: dict[str, Any], tokens: str, words: Sequence[str]) -> str:
    """Return one line on a corpus: how it was read and cut, how large it is, and its first words.

    Args:
        facts: metadata of a corpus.
        tokens: name of the way it was cut into words.
        words: of the vocabulary, in order.
    """
    readers = [_DOCUMENTS[reader] for reader in facts.get("corpus_reader", "lines").split(", ")]
    read = [*facts.get("corpus_encoding", "").split(", "), *readers]
    if column := facts.get("corpus_column"):
        read.append(f"column {column}")
    cut = f"{tokens} words" if tokens.isalpha() else f"words by {tokens}"
    documents, distinct = facts["corpus_documents"], facts["corpus_distinct_words"]
    sizes = (
        f"{_rounded(facts['corpus_tokens'])} tokens in {_rounded(documents)} document{'s' * (documents != 1)}"
    )
    lost = [
        f"{what}: {facts[name]:,}"
        for name, what in (
            ("corpus_invalid_utf8_replaced", "invalid bytes replaced"),
            ("corpus_pages_skipped", "pages skipped, which the parser cannot follow"),
        )
        if facts.get(name)
    ]
    shown = shown_words(words[:_SHOWN], " ") + (" ..." if len(words) > _SHOWN else "")
    parts = [f"{', '.join(filter(None, [*read, cut]))}: {sizes}, {_rounded(distinct)} distinct words", *lost]
    return "; ".join([*parts, shown])


def _rounded(number: int) -> str:
    """Return a number as people say it: 1.2 million."""
    for size, name in ((10**9, "billion"), (10**6, "million")):
        if number >= size:
            return f"{number / size:.1f} {name}"
    return f"{number:,}"
