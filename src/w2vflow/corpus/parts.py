"""File of a download that is not whole yet: continued by the next call, filled by one process at a time."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from w2vflow.support.atomic_files import write_text
from w2vflow.support.checks import argument_error
from w2vflow.support.locks import hold_in_turn

__all__ = ["Part", "part_of"]

# What opening says of links, folders and sockets. A pipe is opened without waiting for its other end.
_NOT_PLAIN = (errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO)
_FLAGS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
# Longer than what servers name versions by.
_VERSION = 1000


class Part:
    """What there is of the file that is to lie at `path`.

    Beside it lies which version of the file the server said it belongs to: two must never be mixed.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self._version = path.with_name(f"{path.name}.part.version")

    @property
    def place(self) -> Path:
        """Where it lies."""
        return _place(self._path)

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return os.fstat(self._file.fileno()).st_size

    def version(self) -> str:
        """Return the version, nothing where none is known: what there is can't be continued.

        Raises:
            ValueError: a link or another thing stands there.
        """
        try:
            with _opened(self._version, os.O_RDONLY) as file:
                return file.read(_VERSION).decode("latin-1")
        except FileNotFoundError:
            return ""

    def begin(self, version: str) -> None:
        """Drop what there is, for what follows is of this version."""
        self.drop()
        if version:
            write_text(self._version, version)

    def add(self, content: bytes) -> None:
        """Write at the end."""
        self._file.seek(0, os.SEEK_END)
        rest = memoryview(content)
        while rest:
            rest = rest[self._file.write(rest) :]

    def drop(self) -> None:
        """Keep nothing."""
        self._file.truncate(0)
        self._version.unlink(missing_ok=True)

    def becomes_whole(self) -> None:
        """Give the file its name."""
        os.fsync(self._file.fileno())
        self.place.replace(self._path)
        self._version.unlink(missing_ok=True)


@contextmanager
def part_of(path: Path) -> Iterator[Part]:
    """Yield what there is of a file; other downloads of it wait until the block ends.

    Raises:
        ValueError: a link or another thing stands where the part is to lie.

    Warns:
        UserWarning: another download is waited for.
    """
    place = _place(path)
    file = _opened(place, os.O_RDWR | os.O_CREAT)
    try:
        hold_in_turn(file, path.name)
        while not _lies_at(file, place):
            # The download that was waited for gave it its name, or removed it.
            file.close()
            file = _opened(place, os.O_RDWR | os.O_CREAT)
            hold_in_turn(file, path.name)
        part = Part(file, path)
        try:
            yield part
        finally:
            if part.size == 0 and _lies_at(file, place):
                place.unlink()
    finally:
        file.close()


def _place(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _lies_at(file: BinaryIO, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), place.lstat())
    except FileNotFoundError:
        return False


def _opened(place: Path, flags: int) -> BinaryIO:
    """Return the plain file at `place`, open; of links, hard ones too, others would be written to or read."""
    try:
        number = os.open(place, flags | _FLAGS, 0o666)
    except OSError as error:
        if error.errno not in _NOT_PLAIN:
            raise
        raise _in_the_way(place) from error
    file = os.fdopen(number, "r+b" if flags & os.O_RDWR else "rb", buffering=0)
    found = os.fstat(number)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        file.close()
        raise _in_the_way(place)
    return file


def _in_the_way(place: Path) -> ValueError:
    got = f"one with {place}, which is a link or no file"
    return argument_error("cache", "a folder with plain files of downloads", got, "Remove it.")
