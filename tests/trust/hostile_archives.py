"""Archives and dumps that their author made to take memory, time or other files."""

import gzip
import io
import json
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HUGE = 10**12
# Bytes of a bomb, unpacked.
BOMB = 1_200_000_000
DEEP = 10**5


class Runs:
    """What runs code when it is unpickled: it leaves a folder `ran` beside it."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.place / "ran"),)


def packed(name: str, unit: bytes, start: bytes = b"") -> Callable[[Path], Path]:
    """Return what packs one unit again and again, to the size of a bomb."""

    def make(path: Path) -> Path:
        path = path.with_name(name)
        part = unit * (10**6 // len(unit))
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        head = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
        # The same bytes again: each part is packed by itself.
        body = packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH)
        times, total = BOMB // len(part), zlib.crc32(start)
        for _ in range(times):
            total = zlib.crc32(part, total)
        size = len(start) + times * len(part)
        tail = total.to_bytes(4, "little") + (size % 2**32).to_bytes(4, "little")
        with path.open("wb") as file:
            file.write(gzip.compress(b"", mtime=0)[:10] + head)
            for _ in range(times):
                file.write(body)
            file.write(packer.flush(zlib.Z_FINISH) + tail)
        return path

    return make


def packed_by(name: str, unit: bytes) -> Callable[[Path], Path]:
    """Return what packs one unit again and again by bzip2, xz or Zstandard."""

    def make(path: Path) -> Path:
        path, part = path.with_name(name), unit * (10**6 // len(unit))
        import bz2
        import lzma

        import zstandard

        packer: Any = {
            ".bz2": bz2.BZ2Compressor,
            ".xz": lambda: lzma.LZMACompressor(preset=0),
            ".zst": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
        }[path.suffix]()
        with path.open("wb") as file:
            for _ in range(BOMB // len(part) // 4):
                file.write(packer.compress(part))
            file.write(packer.flush())
        return path

    return make


def climbing(path: Path) -> Path:
    """A text in an archive whose name leads out of its folder."""
    path = path.with_name("text.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../ran", "a b a c a b\n" * 50)
    return path


def rezipped(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], Path]:
    """Return what changes the members of an archive; a member may be a number of zeros."""

    def make(path: Path) -> Path:
        with zipfile.ZipFile(path) as archive:
            members: dict[str, Any] = {name: archive.read(name) for name in archive.namelist()}
        change(members)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                with archive.open(name, "w", force_zip64=True) as file:
                    parts = content if isinstance(content, list) else [content]
                    for part in parts:
                        file.write(part)
        return path

    return make


def npy_head(shape: tuple[int, ...], kind: str = "|u1") -> bytes:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": kind, "fortran_order": False, "shape": shape})
    return head.getvalue()


def zeros(size: int) -> list[bytes]:
    return [bytes(10**6)] * (size // 10**6)


def with_member(name: str, content: Any) -> Callable[[dict[str, Any]], None]:
    return lambda members: members.update({name: content})


def with_manifest(**changed: Any) -> Callable[[dict[str, Any]], None]:
    def change(members: dict[str, Any]) -> None:
        members["manifest.json"] = json.dumps({**json.loads(members["manifest.json"]), **changed}).encode()

    return change


def pickled_array(path: Path) -> bytes:
    array = np.empty(1, object)
    array[0] = Runs(path.parent)
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


def pickled_counts(path: Path) -> Path:
    return rezipped(with_member("block-00001/counts.npy", pickled_array(path)))(path)


def dump(head: str, title: str, before: str = "", after: str = "") -> bytes:
    """Return a MediaWiki dump of one page."""
    page = f"<page><title>{title}</title><ns>0</ns><revision><text>a b a c</text></revision></page>"
    return f'<?xml version="1.0"?>{head}<mediawiki>{before}{page}{after}</mediawiki>'.encode()


def laughs() -> str:
    """Entities of which each is ten of the one before: the last is 10 GB."""
    lines = ['<!ENTITY a0 "aaaaaaaaaa">']
    lines += [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)]
    return f"<!DOCTYPE mediawiki [{''.join(lines)}]>"


LONG = f'<!DOCTYPE mediawiki [<!ENTITY a "{"a" * 100_000}">]>'
OUTSIDE = '<!DOCTYPE mediawiki [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
