"""Statistics by name: those that come with the package, and files."""

import os
from importlib import resources
from pathlib import Path

from w2vflow.checks import argument_error
from w2vflow.statistics import CooccurrenceStatistics

__all__ = ["bundled_names", "load_statistics"]

_BUNDLED = resources.files("w2vflow.corpus") / "bundled"


def bundled_names() -> tuple[str, ...]:
    """Return the names of the statistics that come with the package.

    Example:
        >>> bundled_names()
        ('enwiki15k-v3000',)
    """
    return tuple(sorted(f.name.removesuffix(".npz") for f in _BUNDLED.iterdir() if f.name.endswith(".npz")))


def load_statistics(name: str | os.PathLike[str]) -> CooccurrenceStatistics:
    """Return bundled statistics by name, or those in a file by path.

    Raises:
        ValueError: neither a bundled name nor a file (the message lists the names), or a file
            that is damaged or of another kind.

    Example:
        >>> load_statistics("enwiki15k-v3000").words[:3]
        ('the', 'of', 'and')
    """
    if str(name) in bundled_names():
        with resources.as_file(_BUNDLED / f"{name}.npz") as path:
            return CooccurrenceStatistics.load(path)
    if not Path(name).is_file():
        raise argument_error(
            "name",
            f"one of the bundled statistics {list(bundled_names())} or the path of a statistics file",
            repr(str(name)),
            "Make a file from your own text with `w2vflow count`.",
        )
    return CooccurrenceStatistics.load(name)
