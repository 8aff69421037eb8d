"""Text on the command line: where it is, how it splits into documents, and its counts."""

import shutil
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from w2vflow.checks import argument_error
from w2vflow.cli.console import Console, on_terminal

__all__ = ["Reader", "Weighting", "count_text", "document_reader", "found_texts"]

Reader = Literal["auto", "lines", "paragraphs", "wikiextractor", "mediawiki", "parquet", "dataset"]
Weighting = Literal["linear", "harmonic", "flat"]

# Bytes of a text that are looked at, and the longest line that an editor or a printer wraps at.
_HEAD, _WRAPPED = 2**16, 100


def found_texts(paths: Sequence[str], reader: Reader, *, fetching: bool) -> list[str]:
    """Return paths, with the file for every name of `w2vflow datasets`, fetched if it is not at hand.

    Raises:
        FileNotFoundError: neither a path nor a name.
        ValueError: a name whose text is not at hand, where nothing may be fetched.
    """
    from w2vflow.corpus.downloads import cached_path, fetch, known
    from w2vflow.corpus.readers import expand_paths

    names = {corpus.name for corpus in known()}
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
    for path in map(Path, paths):
        if path.suffix not in ("", ".txt", ".md", ".rst", ".tex") or not path.is_file():
            return "auto"
        with path.open("rb") as file:
            lines = file.read(_HEAD).split(b"\n")
        text = [line for line in lines if line.strip()]
        # Of paragraphs some have more than one line, and a page of them has several.
        breaks = sum(not line.strip() for line in lines[1:-1])
        if not text or text[0].startswith(b"<") or not 0 < breaks < len(text):
            return "auto"
        if sum(len(line) <= _WRAPPED for line in text) < 0.9 * len(text):
            return "auto"
    return "paragraphs"


def count_text(paths: Sequence[str], out: Path, console: Console, **settings: Any) -> None:
    """Count a text into a file; words that stand in no window with another are left out, and named.

    Args:
        paths: text.
        out: the file of counts.
        console: where to say what was left out.
        settings: of `count_to_file`.

    Raises:
        ValueError: as `count_to_file`, or no word stands beside another.
    """
    from w2vflow.corpus.cooccurrence import count_to_file
    from w2vflow.countfile import LonelyWordsError

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
