"""The page of a text: one HTML file without data, in which a text is counted and its concepts are found."""

import json
import os
from html import escape
from importlib.metadata import version
from pathlib import Path

from w2vflow.report.page import page_around
from w2vflow.report.parts import joined_scripts, page_of, part
from w2vflow.support.arguments import checked
from w2vflow.support.atomic_files import write_text

__all__ = ["write_text_page"]

# What computes runs beside the page, in a worker that is made of its source.
_WORKER = (
    *("text_reading", "text_words", "text_counts"),
    *("target", "symmetric_eigen", "eigenpairs", "text_worker"),
)
_SCRIPTS = ("text_example", "text_training", "text_page")


@checked
def write_text_page(path: str | os.PathLike[str]) -> Path:
    """Write the page in which one pastes or drops a text, whole or not at all, and return its path.

    One file that needs no installation and asks the network for nothing. In the browser it counts the text
    as `count(path, vocab_size=1000)` does, in the same order of words and to the same counts, with fewer
    words where they are rare; then it finds `M*`, its 64 leading eigenpairs and all other eigenvalues, and
    shows the concepts by the words at their ends and, as the page of a run that computes, the exact training
    from them. It reads plain text in UTF-8 or marked UTF-16 of up to 20 MB, in scripts that have spaces
    between words.

    Args:
        path: of the HTML file.

    Raises:
        OSError: the file cannot be written.

    Example:
        write_text_page("word2vec.html")
    """
    marks = {
        "/* STYLE */": part("text_page.css"),
        "<!-- VERSION -->": escape(version("w2vflow")),
        # Without "<" no element of it ends the one that holds it.
        "/* RUN PAGE */": json.dumps(page_around("What word2vec learns")).replace("<", "\\u003c"),
        "/* WORKER */": joined_scripts(_WORKER),
        "/* SCRIPTS */": joined_scripts(_SCRIPTS),
    }
    title = "What word2vec learns from your text"
    write_text(path, page_of("text_page.html", title, marks, policy="; worker-src blob:"))
    return Path(path)
