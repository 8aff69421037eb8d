"""Packed files: unpacked as they are read."""

import bz2
import gzip
import io
import lzma
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from w2vflow.support.checks import argument_error

__all__ = ["PACKED", "check_expansion", "damages", "packed_as", "told_damages", "unpacked", "unpacked_name"]

# Endings of files that are unpacked as they are read, and what they are packed with.
PACKED = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "Zstandard", ".zip": "zip"}
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

# What no text or counts unpack to: more than so many bytes, and so many times their packed size.
_FREE, _TIMES = 2**24, 250
# Packed bytes of Zstandard at a time, which unpack to 64 MB at most.
_PIECE = 2**11


def packed_as(head: bytes) -> str:
    """Return the ending that stands for how a file is packed, by its first bytes; empty if it is not."""
    return next((ending for ending, magic in _MAGIC.items() if head.startswith(magic)), "")


def unpacked_name(name: str) -> str:
    """Return the name of a file without the ending of its packing."""
    suffix = Path(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in PACKED else name


def damages() -> tuple[type[Exception], ...]:
    """Return the errors that an archive raises that is cut short or damaged."""
    # Loaded by now if a .zst was opened; otherwise nothing can raise its error.
    module = sys.modules.get("zstandard")
    zstandard: tuple[type[Exception], ...] = () if module is None else (module.ZstdError,)
    return (EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, *zstandard)


@contextmanager
def unpacked(raw: Any, name: str, argument: str = "path", *, named: bool = True) -> Iterator[Any]:
    """Open a stream of bytes, which can be peeked into, as one of what is packed in it.

    The first bytes say how a file is packed, or else, if it is `named` as its owner does, the ending of its
    name.

    Raises:
        ValueError: a zip archive of several files or one that cannot be unpacked, said of `argument`; while
            it is read, what unpacks to far more than any text.
    """
    suffix = Path(name).suffix.lower()
    packed = packed_as(raw.peek(_MAGIC_BYTES)) or (suffix if named and suffix in PACKED else "")
    if packed == ".zip":
        with _only_member(raw, name, argument) as stream:
            yield stream
        return
    openers: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".zst": _zstandard}
    if packed not in openers:
        yield raw
        return
    counted = _Counted(raw)
    with openers[packed](counted) as stream:
        yield io.BufferedReader(_Bounded(stream, counted, argument, name), 2**20)


@contextmanager
def told_damages(
    argument: str, name: str, expected: str = "a whole file", remedy: str = "Copy or compress it again."
) -> Iterator[None]:
    """Turn the error of an archive that is cut short or damaged into one of an argument."""
    got = f"{name}, cut short or damaged"
    try:
        yield
    except damages() as error:
        raise argument_error(argument, expected, f"{got} ({error})", remedy) from error
    except OSError as error:
        # That of bz2 is of no kind and has no number, unlike those of the system.
        if type(error) is not OSError or error.errno is not None:
            raise
        raise argument_error(argument, expected, f"{got} ({error})", remedy) from error


def check_expansion(argument: str, name: str, unpacked: int, packed: int) -> None:
    """Raise `ValueError` where so many bytes out of so many packed ones are a trap, not a text."""
    if unpacked > _FREE and unpacked > _TIMES * packed:
        got = f"{name}, of which {packed:,} bytes unpack to {unpacked:,} or more"
        remedy = "If that is what it should be, unpack it first."
        raise argument_error(argument, f"an archive of at most {_TIMES} times its size", got, remedy)


class _Counted:
    """A stream that counts what is read of it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        found: bytes = self._stream.read(size)
        self.count += len(found)
        return found

    def read1(self, size: int = -1) -> bytes:
        found: bytes = self._stream.read1(size)
        self.count += len(found)
        return found


class _Bounded(io.RawIOBase):
    """What an archive unpacks to, for as long as that is not beyond all text."""

    def __init__(self, stream: Any, packed: _Counted, argument: str, name: str) -> None:
        self._read = getattr(stream, "read1", stream.read)
        self._packed, self._said = packed, (argument, name)
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        # Not `readinto`, which loses what it has where an archive breaks off.
        found = self._read(len(buffer))
        buffer[: len(found)] = found
        self._given += len(found)
        check_expansion(*self._said, self._given, self._packed.count)
        return len(found)


class _Zstandard(io.RawIOBase):
    """The text of a `.zst` archive of one or more frames; unlike the library's own, it sees a cut."""

    def __init__(self, file: _Counted) -> None:
        import zstandard

        self._new = zstandard.ZstdDecompressor().decompressobj
        self._file = file
        self._frame: Any = None
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            packed = self._frame.unused_data if self._frame is not None and self._frame.eof else b""
            packed = packed or self._file.read1(_PIECE)
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


def _zstandard(raw: _Counted) -> io.RawIOBase:
    return _Zstandard(raw)


def _only_member(raw: Any, name: str, argument: str) -> Any:
    archive = zipfile.ZipFile(raw)
    # What a Mac packs beside the files is hidden.
    files = [
        name
        for name in archive.namelist()
        if not name.endswith("/") and not any(p.startswith((".", "__MACOSX")) for p in name.split("/"))
    ]
    if len(files) != 1:
        named = f" ({', '.join(files[:5])})" if files else ""
        got = f"{name} with {len(files)} files{named}"
        raise argument_error(argument, "zip archives of one file", got, "Unpack it first.")
    found = archive.getinfo(files[0])
    check_expansion(argument, name, found.file_size, found.compress_size)
    try:
        return archive.open(found)
    except RuntimeError as error:
        # It asks for a password, or is packed in a way that Python does not know.
        got = f"{name} ({error})"
        raise argument_error(argument, "an archive that unpacks", got, "Unpack it first.") from error
