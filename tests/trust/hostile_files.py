"""The hostile files by name, and the public functions that read them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from tests.trust import samples
from tests.trust.hostile_archives import (
    BOMB,
    DEEP,
    HUGE,
    LONG,
    OUTSIDE,
    climbing,
    dump,
    laughs,
    npy_head,
    packed,
    packed_by,
    pickled_array,
    pickled_counts,
    rezipped,
    with_manifest,
    with_member,
    zeros,
)
from tests.trust.hostile_results import (
    array_of_state,
    attribute,
    changed_netcdf,
    filtered,
    linked,
    nested,
    pickled,
    repeated_text,
    replaced,
    tensor,
    tensors,
    tokens,
    told,
    virtual,
    without,
    written,
    zarr,
)

import w2vflow as wf
from w2vflow.corpus import Phrases
from w2vflow.experiments import load_run


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
