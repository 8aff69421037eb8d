"""Statistics and corpora by name: bundled ones, those that can be fetched, and files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from w2vflow.corpus.downloads import cached_path, known_corpora
from w2vflow.counts import CountFile
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error

if TYPE_CHECKING:
    from w2vflow.counts import CooccurrenceStatistics

__all__ = ["Entry", "bundled_names", "catalog_entries", "load_statistics", "open_statistics"]

_BUNDLED = resources.files("w2vflow.corpus") / "bundled"


class Entry(NamedTuple):
    """A line of the catalogue.

    Attributes:
        name: the corpus or statistics.
        kind: `"statistics"` or `"corpus"`.
        size: in bytes, None if it is not known.
        licence: of the text.
        at_hand: bundled or in the cache.
        description: of the text.
    """

    name: str
    kind: str
    size: int | None
    licence: str
    at_hand: bool
    description: str


@checked
def catalog_entries() -> list[Entry]:
    """Return the catalogue: bundled statistics, then corpora that can be fetched."""
    bundled = [
        Entry(
            name, "statistics", len((_BUNDLED / f"{name}.npz").read_bytes()), "CC BY-SA", True,
            (_BUNDLED / f"{name}.md").read_text(encoding="utf-8").split("\n\n")[1].replace("\n", " "),
        )
        for name in bundled_names()
    ]  # fmt: skip
    corpora = [
        Entry(c.name, "corpus", c.bytes, c.licence, cached_path(c.name) is not None, c.description)
        for c in known_corpora()
    ]
    return bundled + corpora


@checked
def bundled_names() -> tuple[str, ...]:
    """Return the names of the statistics that come with the package.

    Example:
        >>> bundled_names()
        ('enwiki15k-v3000',)
    """
    return tuple(sorted(f.name.removesuffix(".npz") for f in _BUNDLED.iterdir() if f.name.endswith(".npz")))


@checked
def load_statistics(name: str | os.PathLike[str]) -> "CooccurrenceStatistics":
    """Return bundled statistics by name, or those in a file by path.

    Raises:
        ValueError: neither a bundled name nor a file (the message lists the names), or a file
            that is damaged or of another kind.

    Example:
        >>> load_statistics("enwiki15k-v3000").words[:3]
        ('the', 'of', 'and')
    """
    with _located(name) as path:
        from w2vflow.counts import CooccurrenceStatistics  # here: listing what there is takes no JAX

        return CooccurrenceStatistics.load(path)


@checked
def open_statistics(name: str | os.PathLike[str]) -> CountFile:
    """Return the file of bundled statistics, or one by path: its words and how many pairs, no counts yet.

    Raises:
        ValueError: as `load_statistics`.

    Example:
        >>> open_statistics("enwiki15k-v3000").pairs
        4223234
    """
    with _located(name) as path:
        return CountFile(path)


@contextmanager
def _located(name: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the path of bundled statistics or of a file."""
    if str(name) in bundled_names():
        with resources.as_file(_BUNDLED / f"{name}.npz") as path:
            yield path
    elif Path(name).is_file():
        yield Path(name)
    else:
        expected = f"one of the bundled statistics {list(bundled_names())} or the path of a statistics file"
        remedy = "Make a file from your own text with `w2vflow count`."
        raise argument_error("name", expected, repr(str(name)), remedy)
