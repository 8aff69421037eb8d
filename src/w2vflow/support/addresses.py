"""Addresses: files of other machines, listed and opened as streams of bytes, by fsspec."""

import glob
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from w2vflow.support.checks import argument_error
from w2vflow.support.streams import FilledReads

__all__ = ["exists", "files_at", "is_address", "is_folder", "is_web", "open_address", "place_of"]

# Of one kind, or of one through another, as simplecache::https://; within another: zip://a.txt::s3://b/a.zip.
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]+::)*[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_WEB = re.compile(r"(?:[a-z][a-z0-9+.-]+::)*https?://", re.IGNORECASE)
# Fetched ahead at once: other systems would take 50 MB where a few lines are wanted.
_AHEAD = 2**22
# Seconds without a byte after which a server is given up; how long all of it takes is nobody's business.
_SILENCE = 100


def is_address(path: str) -> bool:
    """Return whether a path is an address, of another machine or of a kind that fsspec knows."""
    return bool(_ADDRESS.match(path))


def is_web(address: str) -> bool:
    """Return whether an address is one of the web, whose servers neither list files nor go back in one."""
    return bool(_WEB.match(address))


def exists(address: str) -> bool:
    """Return whether there is something at an address."""
    system, root = _system(address, "path")
    with _told(address):
        return system.exists(root)


def is_folder(address: str) -> bool:
    """Return whether an address is a folder; of the web none is."""
    if is_web(address):
        return False
    system, root = _system(address, "path")
    with _told(address):
        return system.isdir(root)


def place_of(address: str) -> tuple[str, str]:
    """Return an address in two: up to the name of the file, and what follows.

    That is what a server of the web is asked, or the archive that the file is in.

    Example:
        >>> place_of("https://example.org/a.txt?raw=1"), place_of("zip://a.txt::s3://bucket/a.zip")
        (('https://example.org/a.txt', '?raw=1'), ('zip://a.txt', '::s3://bucket/a.zip'))
    """
    kind = _ADDRESS.match(address)
    start = kind.end() if kind else 0
    rest = re.compile(r"[?#]" if is_web(address) else "::").search(address, start)
    end = rest.start() if rest else len(address)
    return address[:end], address[end:]


def files_at(address: str, argument: str) -> tuple[str, dict[str, str]]:
    """Return what the names of files at an address have in common, and addresses by name.

    A folder has all files below it, a pattern those that it matches; what is no folder is one file, if there
    is one. On the web, where `?` is part of many an address, it is not asked whether there is.
    """
    if is_web(address):
        return address, {address: address}
    system, root = _system(address, argument)
    with _told(address):
        if glob.has_magic(root):
            names, start = system.glob(root), re.split(r"[*?[]", root, maxsplit=1)[0].rpartition("/")[0]
        elif system.isdir(root):
            names, start = system.find(root), root
        else:
            names, start = [root] if system.exists(root) else [], root
    kind = _ADDRESS.match(address)
    assert kind is not None
    return start, {name: kind[0] + name.removeprefix(kind[0]) + place_of(address)[1] for name in names}


def open_address(address: str, argument: str = "path", *, seekable: bool = False) -> io.BufferedReader:
    """Return the bytes of a file as a stream; of the web one that can go back only if that is asked for.

    Raises:
        FileNotFoundError, PermissionError: no such file, or not for us.
        ConnectionError: no answer, or one that breaks off, at once or while it is read.
        ValueError: a kind of address that fsspec does not know, said of `argument`.
        ImportError: a library that is not installed.
    """
    system, root = _system(address, argument)
    web = address.casefold().startswith(("http://", "https://")) and not seekable
    with _told(address):
        # In one answer, as many a server cannot begin anywhere else, of a size that need not be known.
        settings = _one_answer() if web else {"block_size": _AHEAD}
        file = system.open(root, "rb", **settings)
    return io.BufferedReader(_Stream(file, address, not web and file.seekable()), 2**16)


def _one_answer() -> dict[str, Any]:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_SILENCE, sock_read=_SILENCE)
    return {"block_size": 0, "size": 1, "timeout": timeout, "headers": {"Accept-Encoding": "identity"}}


def _system(address: str, argument: str) -> tuple[Any, str]:
    """Return the system of files that an address is in, and the place there."""
    try:
        import fsspec
    except ImportError as error:
        raise ImportError(
            "Reading files of other machines needs fsspec: pip install 'w2vflow[remote]'"
        ) from error
    with _told(address):
        try:
            return fsspec.core.url_to_fs(address)
        except ValueError as error:
            expected = "a file, or an address of a kind that fsspec knows"
            raise argument_error(argument, expected, f"{address} ({error})") from error


@contextmanager
def _told(address: str, read: int = 0) -> Iterator[None]:
    """Name the address in the errors of other systems, which are of all classes."""
    try:
        yield
    except ImportError as error:
        raise ImportError(f"Reading {address} needs more ({error}): pip install 'w2vflow[remote]'") from error
    except FileNotFoundError as error:
        raise FileNotFoundError(f"There is no file {address}.") from error
    except PermissionError as error:
        raise PermissionError(f"{address} may not be read ({error}).") from error
    except Exception as error:
        if isinstance(error, ValueError) and str(error).startswith("Argument `"):
            raise
        what = f"broke off after {read:,} bytes" if read else "could not be read"
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConnectionError(f"{address} {what} ({reason}). Try again, or fetch it first.") from error


class _Stream(FilledReads):
    """A file of another machine, which is read as far as it is asked for."""

    def __init__(self, file: Any, address: str, seekable: bool) -> None:
        super().__init__(self._next, file.close)
        self._file, self._address, self._seekable = file, address, seekable
        self._size = 0

    def _next(self, size: int) -> bytes:
        with _told(self._address, self._size):
            more = self._file.read(size)
        self._size += len(more)
        return more

    def seekable(self) -> bool:
        return self._seekable

    def seek(self, offset: int, whence: int = 0) -> int:
        if not self._seekable:
            raise io.UnsupportedOperation("seek")
        with _told(self._address, self._size):
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
