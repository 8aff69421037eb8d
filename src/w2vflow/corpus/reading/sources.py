"""Where texts come from: files, folders, patterns, pipes, standard input and other machines."""

import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.packed_files import damages, open_unpacked, told_damages

__all__ = ["PathLike", "Source", "expand_paths", "text_sources"]

PathLike = str | os.PathLike[str]

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
# What systems and editors leave beside the files of a folder.
_LEFT_BESIDE = re.compile(r"\..*|__MACOSX|Thumbs\.db|desktop\.ini|.*~|#.*#", re.IGNORECASE | re.DOTALL)


class Source(os.PathLike[str]):
    """A text by its path, which can be looked into before it is read.

    A file is opened anew each time. A pipe or standard input can be read once: what was looked at is kept for
    the reading, and so is the open stream.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._once: Any = None
        self._ahead = b""

    def __fspath__(self) -> str:
        return self._path

    def __str__(self) -> str:
        return self._path

    @property
    def name(self) -> str:
        """The path, or what `-` stands for."""
        return "standard input" if self._path == "-" else self._path

    @property
    def is_file(self) -> bool:
        """Whether this is a file of this machine."""
        return self._path != "-" and Path(self._path).is_file()

    @property
    def is_stream(self) -> bool:
        """Whether this is read once, from beginning to end, as a pipe is."""
        return not self.is_file and not _URL.match(self._path)

    def head(self, size: int) -> bytes:
        """Return the first bytes, unpacked; none of a file that is damaged or cannot be opened."""
        if self.is_stream:
            while len(self._ahead) < size and (more := self._stream().read(size - len(self._ahead))):
                self._ahead += more
            return self._ahead[:size]
        try:
            with self._opened() as stream:
                return stream.read(size)
        except (ValueError, OSError):
            return b""
        except damages():
            return b""

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Open the bytes, unpacked, from the first on.

        Raises:
            ValueError: standard input or a pipe without anything in it, or an archive that is cut short or
                damaged, raised while it is read.
        """
        with told_damages("paths", self.name, "whole archives", "Fetch it again."):
            if self.is_stream:
                if not self.head(1):
                    remedy = "Pipe a text into it, such as `cat text.txt | w2vflow count - ...`."
                    raise argument_error("paths", "text", f"{self.name}, which is empty", remedy)
                try:
                    yield Rejoined(self._ahead, self._stream())
                finally:
                    self._ahead = b""
                    if self._path != "-":  # standard input is not ours
                        self._stream().close()
            else:
                with self._opened() as stream:
                    yield stream

    def open_raw(self) -> Any:
        """Open the bytes of a file as they are."""
        return _remote(self._path) if _URL.match(self._path) else Path(self._path).open("rb")

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        with self.open_raw() as raw, open_unpacked(self._path, "paths", raw) as stream:
            yield stream

    def _stream(self) -> Any:
        if self._once is None:
            if self._path == "-" and getattr(sys.stdin, "buffer", None) is None:
                raise argument_error("paths", "files where there is no standard input", "-")
            self._once = open_unpacked(self._path, "paths")
        return self._once


class Rejoined:
    """A stream with the bytes that were read ahead put back, and others added at its end."""

    def __init__(self, head: bytes, stream: Any, tail: bytes = b"") -> None:
        self._head, self._stream, self._tail = head, stream, tail

    def read(self, size: int = 2**16) -> bytes:
        """Return the next bytes, none at the end."""
        given, self._head = self._head[:size], self._head[size:]
        if given or size == 0:
            return given
        more = self._stream.read(size)
        if not more:
            more, self._tail = self._tail[:size], self._tail[size:]
        return more


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
            files = [os.fspath(path)] if reader == "dataset" else _files(os.fspath(path))
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


def _files(path: str) -> list[str]:
    if path == "-":
        return [path]
    if _URL.match(path):
        return _remote_files(path)
    if Path(path).is_dir():
        inside = _below(path)
    elif Path(path).exists():
        inside = [path]
    else:
        matched = sorted(p for p in glob.glob(path, recursive=True) if Path(p).is_file())
        # A pattern may be of such names alone, or below a folder of such a name.
        fixed = len(re.split(r"[*?[]", path, maxsplit=1)[0].rpartition(os.sep)[0])
        inside = [
            p for p in matched if not any(map(_LEFT_BESIDE.fullmatch, Path(p[fixed:]).parts))
        ] or matched
    if not inside:
        raise FileNotFoundError(f"There is no text file {path}.")
    return inside


def _below(folder: str) -> list[str]:
    """Return the files below a folder, by name, each once by whatever links it is reached."""
    folders: set[str] = set()
    files: dict[str, Path] = {}
    for place, inside, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in folders:
            inside.clear()
            continue
        folders.add(real)
        # By name, so that of two ways to a file the same one is taken everywhere.
        inside[:] = sorted(name for name in inside if not _LEFT_BESIDE.fullmatch(name))
        for name in sorted(names):
            path = Path(place) / name
            if not _LEFT_BESIDE.fullmatch(name) and path.is_file():
                files.setdefault(os.path.realpath(path), path)
    return [str(path) for path in sorted(files.values())]


def _filesystem() -> Any:
    try:
        import fsspec
    except ImportError as error:
        raise ImportError(
            "Reading texts of other machines needs fsspec: pip install 'w2vflow[remote]'"
        ) from error
    return fsspec


def _remote(path: str) -> Any:
    try:
        return _filesystem().open(path, "rb").open()
    except ImportError as error:
        raise ImportError(f"Reading {path} needs more ({error}): pip install 'w2vflow[remote]'") from error


def _remote_files(path: str) -> list[str]:
    try:
        system, root = _filesystem().core.url_to_fs(path)
    except ImportError as error:
        raise ImportError(f"Reading {path} needs more ({error}): pip install 'w2vflow[remote]'") from error
    # Servers of the web neither list nor match, and their addresses may hold question marks.
    if path.startswith(("http://", "https://")):
        return [path]
    if glob.has_magic(root):
        names = sorted(system.glob(root))
        kept = [name for name in names if not _LEFT_BESIDE.fullmatch(name.rpartition("/")[2])] or names
    elif system.isdir(root):
        below = {name: name[len(root) :].strip("/").split("/") for name in system.find(root)}
        kept = [name for name in sorted(below) if not any(map(_LEFT_BESIDE.fullmatch, below[name]))]
    else:
        kept = [root] if system.exists(root) else []
    if not kept:
        raise FileNotFoundError(f"There is no text file {path}.")
    return [system.unstrip_protocol(name) for name in kept]
