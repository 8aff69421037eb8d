"""Texts of many paths: files, folders, patterns, pipes, standard input and other machines."""

import os
from collections.abc import Iterable

from w2vflow.support.arguments import checked
from w2vflow.support.sources import PathLike, Source, found_files

__all__ = ["expand_paths", "text_sources"]


@checked
def text_sources(paths: PathLike | Iterable[PathLike], reader: str = "auto") -> list[Source]:
    """Return the texts at paths, in order; sources stay what they are, and so do datasets by name.

    Raises:
        FileNotFoundError: a path or pattern that stands for no file.
        ImportError: a path of another machine without `fsspec`.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    found: list[Source] = []
    for path in given:
        if isinstance(path, Source):
            found.append(path)
        else:
            files = [os.fspath(path)] if reader == "dataset" else found_files(path, "text file")
            found += map(Source, files)
    return found


@checked
def expand_paths(paths: Iterable[PathLike]) -> list[str]:
    """Return files for folders and glob patterns, sorted within each.

    Hidden files and folders and what systems and editors leave beside files are passed over in a folder; a
    file that is named itself is taken. Linked folders are followed, and no file is taken twice of one folder.
    `-`, pipes and other devices stay.

    Raises:
        FileNotFoundError: a path or pattern that stands for no file.
        ImportError: a path of another machine without `fsspec`.
    """
    return [os.fspath(source) for source in text_sources(list(paths))]
