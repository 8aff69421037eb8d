"""Texts and counts named on the command line."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from w2vflow.cli.console import Console, on_terminal
from w2vflow.support.checks import argument_error, check_vocab_size

if TYPE_CHECKING:
    from w2vflow.corpus import CountingRule
    from w2vflow.counts import CooccurrenceStatistics

__all__ = [
    "Reader",
    "Weighting",
    "count_text",
    "found_texts",
    "load_counts",
    "size_of_counts",
]

Reader = Literal["auto", "lines", "paragraphs", "wikiextractor", "mediawiki", "parquet", "dataset"]
Weighting = Literal["linear", "harmonic", "flat"]


def found_texts(paths: Sequence[str], reader: Reader, *, fetching: bool) -> list[str]:
    """Return paths, with the file for every name of `w2vflow datasets`, fetched if it is not at hand.

    Raises:
        FileNotFoundError: neither a path nor a name.
        ValueError: a name whose text is not at hand, where nothing may be fetched.
    """
    from w2vflow.corpus import cached_path, expand_paths, fetch, known_corpora

    names = {corpus.name for corpus in known_corpora()}
    found = []
    for path in paths:
        if path in names and not Path(path).exists():
            if not fetching and cached_path(path) is None:
                raise argument_error(
                    "dry_run",
                    "of text that is at hand",
                    f"{path}, which would be fetched first",
                    "`w2vflow datasets` says how large it is.",
                )
            path = str(fetch(path, progress=on_terminal()))
        # Names of Hugging Face datasets are no paths.
        elif reader != "dataset":
            try:
                expand_paths([path])
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
    rule: "CountingRule",
    reader: str,
    memory: str = "4GB",
    workers: int | None = None,
    **words: Any,
) -> None:
    """Count a text into a file. What `tokens` and `reader` leave to `auto` is seen from the text, and said.

    Args:
        paths: text.
        out: the file of counts.
        console: where to say what was seen.
        rule, reader: as `count_to_file` takes them.
        memory, workers: of `Resources`.
        words: the other settings of `count_to_file`.

    Raises:
        ValueError: as `count_to_file`.
    """
    from w2vflow.corpus import Resources, count_to_file, suggested

    asked = reader, rule.tokens
    reader, tokens = suggested(paths, *asked)
    rule = replace(rule, tokens=tokens)
    if asked[0] == "auto" and reader != "auto":
        console("lines are wrapped: a document is what stands between blank lines")
    if asked[1] == "auto" and tokens != "latin":
        console("letters beyond a to z: words are of letters of any script")
    resources = Resources(memory=memory, workers=workers)
    lonely = count_to_file(
        paths, out, rule=rule, reader=reader, resources=resources, progress=on_terminal(), **words
    )
    if lonely:
        shown = ", ".join(lonely[:5]) + (" ..." if lonely[5:] else "")
        console(f"left out, because they never stand beside another word: {len(lonely)} ({shown})")


def load_counts(statistics: str, vocab_size: int | None) -> "CooccurrenceStatistics":
    """Return statistics by name or path, of so many most frequent words where a number is given.

    Raises:
        ValueError: there are no such statistics, or not so many words.
    """
    from w2vflow.corpus import load_statistics

    stats = load_statistics(statistics)
    return stats if vocab_size is None else stats.most_frequent(vocab_size)


def size_of_counts(statistics: str, vocab_size: int | None) -> tuple[int, int]:
    """Return how many words `load_counts` would return, and pairs of words in the file; reads no counts.

    Raises:
        ValueError: as `load_counts`.
    """
    from w2vflow.corpus import open_statistics

    file = open_statistics(statistics)
    if vocab_size is None:
        return len(file.words), file.pairs
    check_vocab_size(vocab_size, len(file.words))
    return vocab_size, file.pairs
