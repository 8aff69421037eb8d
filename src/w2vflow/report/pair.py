"""Two pages of runs side by side, on one time."""

import os
from html import escape
from pathlib import Path

from w2vflow.report.parts import page_of
from w2vflow.support.arguments import checked
from w2vflow.support.atomic_files import write_text
from w2vflow.support.checks import argument_error

__all__ = ["write_pair"]

_MADE_HERE = '<meta name="generator" content="w2vflow">'


@checked
def write_pair(
    path: str | os.PathLike[str],
    first: str | os.PathLike[str],
    second: str | os.PathLike[str],
    *,
    title: str = "Two runs side by side",
) -> Path:
    """Write one page that holds two, whole or not at all, and return its path.

    A time chosen on either side is chosen on both, as a share of the way through the training. The file
    asks the network for nothing.

    Args:
        path: of the HTML file.
        first, second: pages that `write_report` wrote.
        title: of the page.

    Raises:
        FileNotFoundError: there is no such page.
        ValueError: a file that `write_report` did not write.
        OSError: the file cannot be written.
    """
    marks = {
        "<!-- FIRST -->": escape(_page("first", first)),
        "<!-- SECOND -->": escape(_page("second", second)),
    }
    write_text(path, page_of("pair.html", title, marks))
    return Path(path)


def _page(argument: str, path: str | os.PathLike[str]) -> str:
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    if _MADE_HERE not in text[:2000]:
        raise argument_error(argument, "a page that `write_report` wrote", path)
    return text
