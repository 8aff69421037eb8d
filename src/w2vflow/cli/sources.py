"""Text on the command line: where it is, how it splits into documents, and its counts."""

import shutil
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from w2vflow.cli.console import Console, on_terminal
from w2vflow.support.checks import argument_error, check_vocab_size

if TYPE_CHECKING:
    from w2vflow.counts import CooccurrenceStatistics

__all__ = [
    "Reader",
    "Weighting",
    "count_text",
    "document_reader",
    "found_texts",
    "load_counts",
    "size_of_counts",
    "text_tokens",
]

Reader = Literal["auto", "lines", "paragraphs", "wikiextractor", "mediawiki", "parquet", "dataset"]
Weighting = Literal["linear", "harmonic", "flat"]

# Files that are looked into and bytes of each, the longest line that an editor or a printer wraps at, and the
# share of letters beyond a to z from which a text is no longer taken for one of these alone.
_FILES, _HEAD, _WRAPPED, _FOREIGN = 20, 2**16, 100, 0.02


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


def document_reader(paths: Sequence[str]) -> Reader:
    """Return how plain text splits into documents: at blank lines where its lines are wrapped, else `auto`.

    A book or an article has lines as long as a page is wide, and a window of 16 words should not end with
    them. In all other text `auto` takes a line for a document.
    """
    heads = _heads(paths)
    return "paragraphs" if heads and all(map(_is_wrapped, heads)) else "auto"


def text_tokens(paths: Sequence[str]) -> str:
    """Return how text is cut into words: `latin`, or `unicode` where it has other letters than a to z."""
    letters = [letter for head in _heads(paths) for letter in head if letter.isalpha()]
    other = sum(not letter.isascii() for letter in letters)
    return "unicode" if other > _FOREIGN * len(letters) else "latin"


def _heads(paths: Sequence[str]) -> list[str]:
    """Return the beginnings of the first files of plain text, none of which is empty."""
    from w2vflow.corpus import expand_paths, first_bytes

    if any(path == "-" for path in paths):
        return []
    try:
        files = expand_paths(paths)[:_FILES]
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


def count_text(paths: Sequence[str], out: Path, console: Console, **settings: Any) -> None:
    """Count a text into a file; words that stand in no window with another are left out, and named.

    What `tokens` and `reader` leave to `auto` is seen from the text, and said.

    Args:
        paths: text.
        out: the file of counts.
        console: where to say what was left out.
        settings: of `count_to_file`.

    Raises:
        ValueError: as `count_to_file`, or no word stands beside another.
    """
    from w2vflow.corpus import count_to_file
    from w2vflow.counts import LonelyWordsError

    if settings["reader"] == "auto":
        settings["reader"] = document_reader(paths)
        if settings["reader"] != "auto":
            console("lines are wrapped: a document is what stands between blank lines")
    if settings["tokens"] == "auto":
        settings["tokens"] = text_tokens(paths) if settings["reader"] != "dataset" else "latin"
        if settings["tokens"] != "latin":
            console("letters beyond a to z: words are of letters of any script")
    try:
        count_to_file(paths, out, progress=on_terminal(), **settings)
    except LonelyWordsError as error:
        if len(error.others) < 2:
            shutil.rmtree(f"{out}.work", ignore_errors=True)
            raise argument_error(
                "paths", "text in which words stand beside others", "documents of one word each"
            ) from error
        shown = ", ".join(error.words[:5]) + (" ..." if error.words[5:] else "")
        console(f"left out, because they never stand beside another word: {len(error.words)} ({shown})")
        settings |= {"vocab_size": None, "min_count": None, "vocabulary": error.others}
        count_to_file(paths, out, progress=on_terminal(), **settings)


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
