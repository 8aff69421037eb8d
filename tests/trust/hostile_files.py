"""Files that their author made to take memory, time, other files or this process; and what reads them.

Each is small to write. Sealed ones have valid digests: to seal a file takes no secret.
"""

import gzip
import io
import json
import os
import pickle
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from tests.trust import samples

import w2vflow as wf
from w2vflow.corpus import Phrases
from w2vflow.experiments import load_run
from w2vflow.support.seals import SEAL_BYTES, file_digest, seal_of, with_digest

HUGE = 10**12
# Bytes of a bomb, unpacked.
BOMB = 1_200_000_000
DEEP = 10**5


class Hostile(NamedTuple):
    """A file to be made in a folder, from a good one of its kind, and how it is read.

    Attributes:
        good: writes a good one, for the reader to load what it needs first.
        make: returns the path of the hostile one; its folder holds nothing else.
        read: the public function.
        harmless: whether it may be read, as nothing comes of it.
    """

    good: Callable[[Path, samples.Sample], Path]
    make: Callable[[Path], Path]
    read: Callable[[Path], Any]
    harmless: bool = False


class Runs:
    """What runs code when it is unpickled: it leaves a folder `ran` beside it."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.place / "ran"),)


def good(name: str) -> Callable[[Path, samples.Sample], Path]:
    """Return a function that writes a good sample of a kind; the hostile one is made of it."""

    def write(folder: Path, sample: samples.Sample) -> Path:
        path = folder / f"good{samples.WRITERS.get(name, ('',))[0]}"
        if name == "checkpoint":
            samples.save_state(path, sample)
        elif name == "token file":
            (folder / "text.txt").write_text("a b a c a b\n" * 50)
            samples.write_tokens(path, folder / "text.txt")
        elif name == "text":
            path = folder / "good.txt"
            path.write_text("a b a c a b\n" * 50)
        elif name == "dump":
            path = folder / "good.xml"
            path.write_bytes(dump("", "a"))
        else:
            samples.WRITERS[name][1](path, sample)
        return path

    return write


def count(path: Path) -> None:
    wf.count(path, vocab_size=100, window=2, workers=1, memory="500MB")


def count_dump(path: Path) -> None:
    wf.count(path, vocab_size=100, window=2, workers=1, memory="500MB", reader="mediawiki")


def load_counts(path: Path) -> None:
    wf.CooccurrenceStatistics.load(path)


# Packed text and vectors.


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


# Statistics.


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


def pickled_counts(path: Path) -> Path:
    array = np.empty(1, object)
    array[0] = Runs(path.parent)
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return rezipped(with_member("block-00001/counts.npy", content.getvalue()))(path)


# netCDF.


def changed_netcdf(change: Callable[[h5py.File, Path], None]) -> Callable[[Path], Path]:
    """Return what changes a netCDF file by HDF5 and seals it anew."""

    def make(path: Path) -> Path:
        path.write_bytes(path.read_bytes()[:-SEAL_BYTES])
        with h5py.File(path, "r+") as file:
            change(file, path)
        content = path.read_bytes()
        path.write_bytes(content + seal_of(content))
        return path

    return make


def replaced(name: str, **how: Any) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, path: Path) -> None:
        del file[name]
        file.create_dataset(name, **how)

    return change


def linked(link: Any) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, path: Path) -> None:
        del file["loss"]
        file["loss"] = link

    return change


def virtual(file: h5py.File, path: Path) -> None:
    layout = h5py.VirtualLayout((9,), "f8")
    layout[:] = h5py.VirtualSource("/tmp/other.nc", "loss", (9,))
    del file["loss"]
    file.create_virtual_dataset("loss", layout)


def filtered(file: h5py.File, path: Path) -> None:
    """Zeros, of which each chunk is packed to a thousandth."""
    del file["loss"]
    file.create_dataset("loss", (10**9,), "f8", chunks=(10**6,), compression="gzip", fillvalue=0)
    file["loss"][: 2 * 10**6] = 0


def repeated_text(path: Path) -> Path:
    """One long text to which every word refers."""
    path.write_bytes(path.read_bytes()[:-SEAL_BYTES])
    with h5py.File(path, "r+") as file:
        del file["word"]
        words = file.create_dataset("word", data=["a" * 60_000, *["b"] * 99_999], dtype=h5py.string_dtype())
        words.make_scale("word")
        del file["embeddings"].attrs["DIMENSION_LIST"]
        for axis, name in enumerate(("time", "word", "mode")):
            file["embeddings"].dims[axis].attach_scale(file[name])
        start, number = words.id.get_offset(), len(words)
    content = bytearray(path.read_bytes())
    content[start : start + 16 * number] = content[start : start + 16] * number
    path.write_bytes(bytes(content) + seal_of(bytes(content)))
    return path


def attribute(name: str, value: Any) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, path: Path) -> None:
        file.attrs[name] = value

    return change


def without(*names: str) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, path: Path) -> None:
        for name in names:
            if name in file:
                del file[name]
            else:
                del file.attrs[name]

    return change


def zarr(version: int) -> Callable[[Path], Path]:
    """Return what makes a Zarr folder with the codec that unpickles."""

    def make(path: Path) -> Path:
        path = path.with_suffix(".zarr")
        (path / "loss").mkdir(parents=True)
        codec = {"id": "pickle", "protocol": 5}
        if version == 2:
            (path / ".zgroup").write_text('{"zarr_format": 2}')
            array = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "fill_value": None}
            array |= {"order": "C", "compressor": None, "filters": [codec]}
            (path / "loss" / ".zarray").write_text(json.dumps(array))
        else:
            group = {"zarr_format": 3, "node_type": "group", "attributes": {"w2vflow_format": "trajectory 2"}}
            (path / "zarr.json").write_text(json.dumps(group))
            array = {"zarr_format": 3, "node_type": "array", "shape": [1], "data_type": "float64"}
            array |= {"codecs": [{"name": "numcodecs.pickle", "configuration": codec}]}
            (path / "loss" / "zarr.json").write_text(json.dumps(array))
        (path / "loss" / "0").write_bytes(pickle.dumps(Runs(path.parent)))
        return path

    return make


# Vectors.


def written(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        path = path.with_name(name)
        path.write_bytes(content)
        return path

    return make


def tensors(head: Any, data: bytes = b"") -> bytes:
    """Return a safetensors file with this head."""
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return len(text).to_bytes(8, "little") + text + data


def tensor(*shape: int, size: int = 0) -> dict[str, Any]:
    """Return what a head tells of a matrix."""
    return {
        "dtype": "F32",
        "shape": shape,
        "data_offsets": [0, size or 4 * int(np.prod(shape, dtype=object))],
    }


def pickled(path: Path) -> Path:
    path = path.with_name("vectors.bin")
    path.write_bytes(pickle.dumps(Runs(path.parent)))
    return path


# Folders.


def told(file: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Path], Path]:
    """Return what changes a manifest and gives it a valid digest."""

    def make(path: Path) -> Path:
        manifest = json.loads((path / file).read_text())
        manifest.pop("blake3", None)
        change(manifest)
        (path / file).write_text(json.dumps(with_digest(manifest)))
        return path

    return make


def nested(file: str = "") -> Callable[[Path], Path]:
    """Return what replaces a file by lists in lists."""

    def make(path: Path) -> Path:
        (path / file if file else path).write_text("[" * DEEP + "]" * DEEP)
        return path

    return make


def array_of_state(content: Callable[[Path], bytes]) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        def change(manifest: dict[str, Any]) -> None:
            name = manifest["arrays"]["W"][0]
            (path / name).write_bytes(content(path))
            manifest["arrays"]["W"] = [name, file_digest(path / name)]

        return told("manifest.json", change)(path)

    return make


def tokens(content: Callable[[Path], bytes], number: int) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        (path / "tokens.npy").write_bytes(content(path))
        digest = file_digest(path / "tokens.npy")
        return told("manifest.json", lambda m: m.update(tokens_blake3=digest, tokens=number))(path)

    return make


def pickled_array(path: Path) -> bytes:
    array = np.empty(1, object)
    array[0] = Runs(path.parent)
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


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

VECTORS, STATE, TOKENS = wf.import_vectors, samples.load_state, wf.TokenFile.load


def of(kind: str, make: Callable[[Path], Path], read: Any = None, harmless: bool = False) -> Hostile:
    """Return a hostile file of a kind, read as those of its kind are."""
    readers = {
        "text": count,
        "dump": count_dump,
        "statistics": load_counts,
        "run folder": load_run,
        "phrases": Phrases.load,
    }
    return Hostile(good(kind), make, read or readers.get(kind) or samples.READERS[kind], harmless)


def of_netcdf(change: Any, kind: str = "trajectory") -> Hostile:
    return of(kind, changed_netcdf(change), wf.load)


HOSTILE: dict[str, Hostile] = {
    "text: 1.2 GB of one letter, gzip": of("text", packed("text.txt.gz", b"a")),
    "text: 300 MB of one letter, bzip2": of("text", packed_by("text.txt.bz2", b"a")),
    "text: 300 MB of one letter, xz": of("text", packed_by("text.txt.xz", b"a")),
    "text: 300 MB of one letter, zstd": of("text", packed_by("text.txt.zst", b"a")),
    "text: 1.2 GB in one field of JSON, gzip": of("text", packed("text.jsonl.gz", b"a", b'{"text": "')),
    "text: 1.2 GB in one field of CSV, gzip": of("text", packed("text.csv.gz", b"a", b'id,text\n1,"')),
    "text: a name that leads out of its zip archive": of("text", climbing, harmless=True),
    "text: JSON in JSON, 100,000 deep": of(
        "text", written("text.jsonl", b'{"text": ' + b"[" * DEEP + b"]" * DEEP + b"}\n")
    ),
    "dump: entities of entities, to 10 GB": of("dump", written("a.xml", dump(laughs(), "&a9;"))),
    "dump: one long entity 20,000 times, 2 GB": of("dump", written("a.xml", dump(LONG, "&a;" * 20_000))),
    "dump: an entity that is a file": of("dump", written("a.xml", dump(OUTSIDE, "&a;"))),
    "dump: elements in elements, a million deep": of(
        "dump", written("a.xml", dump("", "a", "<a>" * 10**6, "</a>" * 10**6))
    ),
    "dump: 1.2 GB in one element, gzip": of(
        "dump", packed("a.xml.gz", b"a", b"<mediawiki><page><title>a</title><text>")
    ),
    "statistics: counts of 1.2 GB in 1.2 MB": of(
        "statistics",
        rezipped(with_member("block-00001/counts.npy", [npy_head((1, BOMB)), *zeros(BOMB)])),
    ),
    "statistics: words of 1.2 GB": of("statistics", rezipped(with_member("words.txt", zeros(BOMB)))),
    "statistics: manifest of 1.2 GB": of("statistics", rezipped(with_member("manifest.json", zeros(BOMB)))),
    "statistics: a declared shape of 1e12": of(
        "statistics", rezipped(with_member("block-00001/counts.npy", npy_head((8, HUGE))))
    ),
    "statistics: pickled counts": of("statistics", pickled_counts),
    "statistics: a manifest that says -7 pairs of 5 words": of(
        "statistics", rezipped(with_manifest(vocab_size=5, pairs=-7))
    ),
    "statistics: units of a half": of("statistics", rezipped(with_manifest(denominator=0.5))),
    "statistics: 1e12 blocks": of("statistics", rezipped(with_manifest(blocks=HUGE))),
    "statistics: metadata that are a number": of("statistics", rezipped(with_manifest(metadata=5))),
    "statistics: JSON in JSON, 100,000 deep": of(
        "statistics", rezipped(with_member("manifest.json", b"[" * DEEP + b"]" * DEEP))
    ),
    "statistics: names that lead out of the archive": of(
        "statistics", rezipped(with_member("../../ran", b"here")), harmless=True
    ),
    "netCDF: numbers of another file": of_netcdf(
        replaced("loss", shape=(9,), dtype="u1", external=[("/etc/passwd", 0, 9)])
    ),
    "netCDF: a link to another file": of_netcdf(linked(h5py.ExternalLink("/tmp/other.nc", "loss"))),
    "netCDF: a link within": of_netcdf(linked(h5py.SoftLink("/time"))),
    "netCDF: numbers put together from other files": of_netcdf(virtual),
    "netCDF: 8 GB, packed": of_netcdf(filtered),
    "netCDF: a declared shape of 1e12": of_netcdf(replaced("loss", shape=(HUGE,), dtype="f8")),
    "netCDF: 6 GB of words that are one": of("trajectory", repeated_text, wf.load),
    "netCDF: numbers of other kinds": of_netcdf(
        replaced("loss", data=np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]))
    ),
    "netCDF: metadata 30,000 deep": of_netcdf(attribute("configuration", "[" * 30_000)),
    "netCDF: metadata that are a number": of_netcdf(attribute("configuration", "5")),
    "netCDF: no metadata": of_netcdf(without("configuration")),
    "netCDF: no numbers": of_netcdf(without("singular_values", "loss")),
    "netCDF: comparison without its trajectories": of_netcdf(without("configuration"), "comparison"),
    "netCDF: comparison with others": of_netcdf(attribute("layout", '{"theory": 5}'), "comparison"),
    "netCDF: spectrum without eigenvalues": of_netcdf(without("eigenvalue"), "spectrum"),
    "netCDF: cloud without coordinates": of_netcdf(without("coordinates"), "cloud"),
    "Zarr 2 that unpickles": of("trajectory", zarr(2), wf.load),
    "Zarr 3 that unpickles": of("trajectory", zarr(3), wf.load),
    "safetensors: a declared shape of 1e12": of(
        "safetensors", written("a.safetensors", tensors({"vectors": tensor(HUGE, 300)}))
    ),
    "safetensors: a shape of 1e12, of no bytes": of(
        "safetensors", written("a.safetensors", tensors({"vectors": tensor(HUGE, 0, size=0)}))
    ),
    "safetensors: a head of 1e18 bytes": of(
        "safetensors", written("a.safetensors", (10**18).to_bytes(8, "little") + b"{}")
    ),
    "safetensors: a head of 90 MB": of(
        "safetensors", written("a.safetensors", tensors(b"{" + b" " * 90_000_000 + b"}"))
    ),
    "safetensors: JSON in JSON, 100,000 deep": of(
        "safetensors", written("a.safetensors", tensors(b'{"a":' + b"[" * DEEP))
    ),
    "vectors: 1e12 words, binary": of("word2vec-binary", written("a.bin", b"1000000000000 300\nab ")),
    "vectors: 1e12 words, text": of("word2vec-text", written("a.txt", b"1000000000000 2\na 1 2\n")),
    "vectors: dimension of 1e12": of("word2vec-binary", written("a.bin", b"3 1000000000000\na abcd")),
    "vectors: dimension of a million, binary": of("word2vec-binary", written("a.bin", b"9 1000000\na abcd")),
    "vectors: 1.2 GB of one letter, gzip": of("word2vec-text", packed("a.txt.gz", b"a", b"3 2\n")),
    "vectors: 1.2 GB of numbers in a line, gzip": of("word2vec-text", packed("a.txt.gz", b" 1.5", b"word")),
    "vectors: 1.2 GB of zeros, gzip, binary": of("word2vec-binary", packed("a.bin.gz", b"\0", b"3 2\n")),
    "vectors: 300 MB of one letter, zstd": of("word2vec-text", packed_by("a.txt.zst", b"a")),
    "vectors: a pickle": of("word2vec-binary", pickled),
    "state: an array of 1e12": of("checkpoint", array_of_state(lambda path: npy_head((HUGE,), "<f8"))),
    "state: a pickled array": of("checkpoint", array_of_state(pickled_array)),
    "state: a manifest without its parts": of("checkpoint", told("manifest.json", lambda m: m.pop("arrays"))),
    "state: a manifest of numbers": of("checkpoint", told("manifest.json", lambda m: m.update(manifest=5))),
    "state: arrays that are none": of("checkpoint", told("manifest.json", lambda m: m.update(arrays=[5]))),
    "state: JSON in JSON, 100,000 deep": of("checkpoint", nested("manifest.json")),
    "tokens: 1e12 of them": of("token file", tokens(lambda path: npy_head((HUGE,), "<i4"), HUGE)),
    "tokens: pickled": of("token file", tokens(pickled_array, 0)),
    "tokens: words that are a number": of("token file", told("manifest.json", lambda m: m.update(words=5))),
    "tokens: metadata that are a number": of(
        "token file", told("manifest.json", lambda m: m.update(metadata=5))
    ),
    "tokens: JSON in JSON, 100,000 deep": of("token file", nested("manifest.json")),
    "phrases: JSON in JSON, 100,000 deep": of("phrases", nested()),
    "run folder: JSON in JSON, 100,000 deep": of("run folder", nested("config.json")),
}
