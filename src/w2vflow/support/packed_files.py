"""Packed files: unpacked as they are read."""

import bz2
import gzip
import io
import lzma
import os
import sys
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

from w2vflow.support.checks import argument_error

__all__ = ["PACKED", "damages", "open_unpacked"]

# Endings of files that are unpacked as they are read.
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")


def damages() -> tuple[type[Exception], ...]:
    """Return the errors that an archive raises that is cut short or damaged."""
    # Loaded by now if a .zst was opened; otherwise nothing can raise its error.
    module = sys.modules.get("zstandard")
    zstandard: tuple[type[Exception], ...] = () if module is None else (module.ZstdError,)
    return (EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, *zstandard)


def open_unpacked(path: str | os.PathLike[str], argument: str = "path", stream: Any = None) -> Any:
    """Return a stream of the bytes of a file, unpacked by the ending of its name; `-` is standard input.

    A `stream` is what has that name and is open already, such as a file of another machine.

    Raises:
        ValueError: a zip archive of several files, said of `argument`.
        FileNotFoundError: no such file.
    """
    path = os.fspath(path)
    if path == "-":
        return sys.stdin.buffer
    suffix = Path(path).suffix.lower()
    if suffix == ".zst":
        return io.BufferedReader(_Zstandard(stream or Path(path).open("rb")), 2**20)
    if suffix == ".zip":
        return _only_member(path, argument, stream)
    openers: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    if suffix in openers:
        return openers[suffix](stream or path, "rb")
    return stream or Path(path).open("rb")


class _Zstandard(io.RawIOBase):
    """The text of a `.zst` archive of one or more frames; unlike the library's own, it sees a cut."""

    def __init__(self, file: Any) -> None:
        import zstandard

        self._new = zstandard.ZstdDecompressor().decompressobj
        self._file = file  # closed with this stream
        self._frame: Any = None
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            packed = self._frame.unused_data if self._frame is not None and self._frame.eof else b""
            packed = packed or self._file.read(2**18)
            if not packed:
                if self._frame is not None and not self._frame.eof:
                    raise EOFError("the archive breaks off")
                return 0
            if self._frame is None or self._frame.eof:
                self._frame = self._new()
            self._ready = self._frame.decompress(packed)
        given = self._ready[: len(buffer)]
        self._ready = self._ready[len(given) :]
        buffer[: len(given)] = given
        return len(given)

    def close(self) -> None:
        self._file.close()
        super().close()


def _only_member(path: str, argument: str, stream: Any) -> IO[bytes]:
    archive = zipfile.ZipFile(stream or path)
    # What a Mac packs beside the files is hidden.
    files = [
        name
        for name in archive.namelist()
        if not name.endswith("/") and not any(p.startswith((".", "__MACOSX")) for p in name.split("/"))
    ]
    if len(files) != 1:
        got = f"{path} with {len(files)} files"
        raise argument_error(argument, "zip archives of one file", got, "Unpack it and give the folder.")
    return archive.open(files[0])
