"""Parts of which pages are made: files beside this one, put into the places that marks hold."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files

from w2vflow.support.display import harmless

__all__ = ["filled", "joined_scripts", "page_of", "part"]


def part(name: str) -> str:
    """Return the text of a file of this package."""
    return files("w2vflow.report").joinpath(name).read_text(encoding="utf-8")


def joined_scripts(names: Sequence[str]) -> str:
    """Return scripts one after the other."""
    return "\n".join(part(f"{name}.js") for name in names)


def filled(page: str, marks: Mapping[str, str]) -> str:
    """Return a page with a text in the place of each mark, in their order: what is put in is not searched."""
    done = ""
    for mark, text in marks.items():
        before, _, page = page.partition(mark)
        done += before + text
    return done + page


def page_of(name: str, title: str, marks: Mapping[str, str], *, policy: str = "") -> str:
    """Return a page: the head that all have, which lets it ask the network for nothing, and its own rest.

    Args:
        name: of the file with the rest.
        title: plain text.
        marks: what stands in the place of the marks of the rest, in their order.
        policy: what its Content-Security-Policy allows besides.
    """
    head = filled(part("head.html"), {"<!-- POLICY -->": policy, "<!-- TITLE -->": escape(harmless(title))})
    return head + filled(part(name), marks)
