"""Where files come from: this machine, pipes, standard input and other machines."""

import glob
import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from w2vflow.support import addresses
from w2vflow.support.addresses import files_at, is_address, open_address, place_of
from w2vflow.support.checks import argument_error
from w2vflow.support.packed_files import damages, packed_as, told_damages, unpacked, unpacked_name
from w2vflow.support.streams import FilledReads, Rejoined

__all__ = ["PathLike", "Source", "found_files", "missing"]

PathLike = str | os.PathLike[str]

# What systems and editors leave beside the files of a folder.
_LEFT_BESIDE = re.compile(r"\..*|__MACOSX|Thumbs\.db|desktop\.ini|.*~|#.*#", re.IGNORECASE | re.DOTALL)
_COLLAPSED = re.compile(r"([a-z][a-z0-9+.-]+):/(?=[^/])", re.IGNORECASE)
_NO_INPUT = "Pipe something into it, such as `cat text.txt | w2vflow count - ...`."


class Source(os.PathLike[str]):
    """A file by its path or address, which can be looked into before it is read.

    A file is opened anew each time. A pipe or standard input can be read once: what was looked at is kept for
    the reading, and so is the open stream.

    Args:
        path: a path, an address, or `-` for standard input.
        argument: that messages name.
    """

    def __init__(self, path: PathLike, argument: str = "paths") -> None:
        self._path, self.argument = os.fspath(path), argument
        self._once: Any = None
        self._ahead = b""
        self._opened_once = ExitStack()

    def __fspath__(self) -> str:
        return self._path

    def __str__(self) -> str:
        return self._path

    @property
    def name(self) -> str:
        """The path, or what `-` stands for."""
        return "standard input" if self._path == "-" else self._path

    @property
    def stem(self) -> str:
        """The name of the file without folders and endings."""
        return PurePosixPath(unpacked_name(self._plain)).stem

    @property
    def suffix(self) -> str:
        """The ending of its name, that of what is packed in it if it is."""
        return PurePosixPath(unpacked_name(self._plain)).suffix

    @property
    def packing(self) -> str:
        """The ending of its name that says how it is packed, empty if none does."""
        return self._plain.removeprefix(unpacked_name(self._plain))

    @property
    def _plain(self) -> str:
        """The path, of an address without what a server is asked."""
        return place_of(self._path)[0] if is_address(self._path) else self._path

    @property
    def is_file(self) -> bool:
        """Whether this is a file of this machine."""
        return self._path != "-" and Path(self._path).is_file()

    @property
    def is_stream(self) -> bool:
        """Whether this is read once, from beginning to end, as a pipe is."""
        return not self.is_file and not is_address(self._path)

    @property
    def is_folder(self) -> bool:
        """Whether this is a folder, of this machine or another."""
        if is_address(self._path):
            return addresses.is_folder(self._path)
        return Path(self._path).is_dir()

    @property
    def exists(self) -> bool:
        """Whether there is something to read."""
        if is_address(self._path):
            return addresses.exists(self._path)
        return self._path == "-" or (Path(self._path).exists() and not Path(self._path).is_dir())

    def check_exists(self, what: str) -> None:
        """Raise `FileNotFoundError` if there is nothing; of another machine, opening it says so."""
        if not is_address(self._path) and not self.exists:
            raise missing(what, self._path)

    @property
    def is_packed(self) -> bool:
        """Whether a file is packed, by its first bytes."""
        if self.is_stream:
            return False
        with self.open_raw() as raw:
            return bool(packed_as(raw.peek(16)))

    def beside(self, name: str) -> "Source":
        """Return the file of another name in the same folder."""
        return Source(_renamed(self._path, name, -1), self.argument)

    def inside(self, name: str) -> "Source":
        """Return the file of a name in this folder."""
        return Source(_renamed(self._path, name, None), self.argument)

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
            FileNotFoundError: there is no such file.
            OSError: one that is not read, or not to its end.
        """
        with told_damages(self.argument, self.name, "a whole file", "Fetch or compress it again."):
            if self.is_stream:
                if not self.head(1):
                    got = f"{self.name}, which is empty"
                    raise argument_error(self.argument, "text", got, _NO_INPUT)
                try:
                    yield io.BufferedReader(FilledReads(Rejoined(self._ahead, self._stream()).read), 2**16)
                finally:
                    self._ahead = b""
                    self._opened_once.close()
            else:
                with self._opened() as stream:
                    yield stream

    def open_raw(self) -> io.BufferedReader:
        """Open the bytes as they are."""
        if self._path == "-":
            if getattr(sys.stdin, "buffer", None) is None:
                raise argument_error(self.argument, "files where there is no standard input", "-")
            # Which is not ours to close.
            return io.BufferedReader(FilledReads(sys.stdin.buffer.read), 2**16)
        if is_address(self._path):
            return open_address(self._path, self.argument)
        file = Path(self._path).open("rb")  # noqa: SIM115
        if self.is_stream:
            return io.BufferedReader(FilledReads(file.read, file.close), 2**16)
        return file

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        with ExitStack() as stack:
            raw = stack.enter_context(self.open_raw())
            if packed_as(raw.peek(16)) == ".zip" and not raw.seekable():
                raw = stack.enter_context(self.open_seekable(raw))
            # A server of the web may have unpacked what it sends.
            named = not addresses.is_web(self._path)
            yield stack.enter_context(unpacked(raw, self._plain, self.argument, named=named))

    def open_seekable(self, raw: io.BufferedReader | None = None) -> Any:
        """Open the bytes as they are, or those of a stream, as one that can go back.

        Files whose list of contents is at their end need it.
        """
        raw = self.open_raw() if raw is None else raw
        if raw.seekable():
            return raw
        if is_address(self._path):
            found = open_address(self._path, self.argument, seekable=True)
            try:
                found.seek(-1, os.SEEK_END)
                found.read()
                found.seek(0)
            except OSError:
                found.close()  # a server that answers from the first byte on alone
            else:
                raw.close()
                return found
        copy = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            with raw:
                shutil.copyfileobj(raw, copy)
        except BaseException:
            copy.close()
            raise
        copy.seek(0)
        return copy

    def _stream(self) -> Any:
        if self._once is None:
            self._once = self._opened_once.enter_context(self._opened())
        return self._once


def missing(what: str, path: str) -> FileNotFoundError:
    """Return the error for a path at which there is nothing."""
    remedy = ""
    if match := _COLLAPSED.match(path):
        remedy = f" An address is given as text, which a `Path` changes: {match[1]}://..."
    return FileNotFoundError(f"There is no {what} {path}.{remedy}")


def _renamed(path: str, name: str, end: int | None) -> str:
    """Return a path or address with a name added, in place of the last one if `end` is -1."""
    if not is_address(path):
        return str(Path(path).with_name(name) if end else Path(path) / name)
    place, rest = place_of(path)
    folder = place.rstrip("/").rpartition("/")[0] if end else place.rstrip("/")
    return f"{folder}/{name}{rest}"


def found_files(path: PathLike, what: str, argument: str = "paths") -> list[str]:
    """Return files for a path, address, folder or glob pattern, sorted within each.

    Hidden files and folders and what systems and editors leave beside files are passed over in a folder; a
    file that is named itself is taken. Linked folders are followed, and no file is taken twice of one folder.
    `-`, pipes and other devices stay.

    Raises:
        FileNotFoundError: a path or pattern that stands for no file of what is looked for.
        ImportError: a path of another machine without `fsspec`.
    """
    path = os.fspath(path)
    if path == "-":
        return [path]
    if is_address(path):
        start, found = files_at(path, argument)
        places = {name: name[len(start) :].strip("/").split("/") for name in sorted(found)}
        kept = [name for name, parts in places.items() if not any(map(_LEFT_BESIDE.fullmatch, parts))]
        if not kept and not addresses.is_folder(path):
            kept = list(places)  # a pattern of such names alone
        inside = [found[name] for name in kept]
    elif Path(path).is_dir():
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
        raise missing(what, path)
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
