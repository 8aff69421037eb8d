"""Packed files: unpacked as they are read."""

import bz2
import gzip
import io
import lzma
import os
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from w2vflow.support.checks import argument_error

__all__ = ["PACKED", "damages", "open_unpacked", "told_damages"]

# Endings of files that are unpacked as they are read.
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
# How their bytes begin.
_MAGIC_BYTES = 10
_MAGIC: dict[str, tuple[bytes, ...]] = {
    ".gz": (b"\x1f\x8b",),
    # After the digit, the first block, or the end of an archive of nothing.
    ".bz2": tuple(b"BZh%d%b" % (n, block) for n in range(1, 10) for block in (b"1AY&SY", b"\x17rE8P\x90")),
    ".xz": (b"\xfd7zXZ\x00",),
    # A frame, or one to be skipped.
    ".zst": (b"\x28\xb5\x2f\xfd", *(b"%c\x2a\x4d\x18" % n for n in range(0x50, 0x60))),
    ".zip": (b"PK\x03\x04", b"PK\x05\x06"),
}


def damages() -> tuple[type[Exception], ...]:
    """Return the errors that an archive raises that is cut short or damaged."""
    # Loaded by now if a .zst was opened; otherwise nothing can raise its error.
    module = sys.modules.get("zstandard")
    zstandard: tuple[type[Exception], ...] = () if module is None else (module.ZstdError,)
    return (EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, *zstandard)


def open_unpacked(path: str | os.PathLike[str], argument: str = "path", stream: Any = None) -> Any:
    """Return a stream of the bytes of a file, unpacked; `-` is standard input.

    The first bytes say how a file is packed, or else the ending of its name.

    A `stream` is what has that name and is open already, such as a file of another machine.

    Raises:
        ValueError: a zip archive of several files or one that cannot be unpacked, said of `argument`.
        FileNotFoundError: no such file.
    """
    path = os.fspath(path)
    if path == "-":
        return sys.stdin.buffer
    packed = _packing(path, stream)
    if packed == ".zst":
        return io.BufferedReader(_Zstandard(stream or Path(path).open("rb")), 2**20)
    if packed == ".zip":
        return _only_member(path, argument, stream)
    openers: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    if packed in openers:
        return openers[packed](stream or path, "rb")
    return stream or Path(path).open("rb")


@contextmanager
def told_damages(
    argument: str,
    path: str | os.PathLike[str],
    expected: str = "a whole file",
    remedy: str = "Copy or compress it again.",
) -> Iterator[None]:
    """Turn the error of an archive that is cut short or damaged into one of an argument."""
    got = f"{os.fspath(path)}, cut short or damaged"
    try:
        yield
    except damages() as error:
        raise argument_error(argument, expected, f"{got} ({error})", remedy) from error
    except OSError as error:
        # That of bz2 is of no kind and has no number, unlike those of the system.
        if type(error) is not OSError or error.errno is not None:
            raise
        raise argument_error(argument, expected, f"{got} ({error})", remedy) from error


def _packing(path: str, stream: Any) -> str:
    """Return the ending that stands for how a file is packed, empty if it is not."""
    head = b""
    # What cannot go back, as a pipe, is read once only.
    if stream is None and Path(path).is_file():
        with Path(path).open("rb") as file:
            head = file.read(_MAGIC_BYTES)
    elif stream is not None and stream.seekable():
        head = stream.read(_MAGIC_BYTES)
        stream.seek(0)
    for ending, magic in _MAGIC.items():
        if head.startswith(magic):
            return ending
    suffix = Path(path).suffix.lower()
    return suffix if suffix in PACKED else ""


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
        named = f" ({', '.join(files[:5])})" if files else ""
        got = f"{path} with {len(files)} files{named}"
        raise argument_error(argument, "zip archives of one file", got, "Unpack it first.")
    try:
        return archive.open(files[0])
    except RuntimeError as error:
        # It asks for a password, or is packed in a way that Python does not know.
        got = f"{path} ({error})"
        raise argument_error(argument, "an archive that unpacks", got, "Unpack it first.") from error
